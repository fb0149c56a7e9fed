"""A superuser and a member of the staff."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from auth_tokens.models import User
from tests.factories import UserFactory


@pytest.fixture
def root() -> User:
    return UserFactory(username="root", is_staff=True, is_superuser=True)


@pytest.fixture
def ann() -> User:
    """Staff with every permission on our models, but no superuser."""
    ann = UserFactory(username="ann", is_staff=True)
    ours = ("auth_tokens", "greeks", "portfolio")
    ann.user_permissions.set(Permission.objects.filter(content_type__app_label__in=ours))
    return ann
