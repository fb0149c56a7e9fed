"""A trader, signed in, whose rows the sections' threads can see."""

from __future__ import annotations

import pytest
from django.test import Client

from auth_tokens.models import User
from tests.factories import UserFactory


@pytest.fixture
def trader() -> User:
    return UserFactory()


@pytest.fixture
def signed_in(trader: User) -> Client:
    client = Client()
    client.force_login(trader)
    return client
