"""Scopes of cached answers: equal for equal accounts, new as soon as the access changes."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from pytest_django import DjangoAssertNumQueries

from portfolio.accounts.scopes import scope_of
from portfolio.models import AccountAccess
from tests.factories import AccountFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_scope_follows_the_access(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    owner, guest = UserFactory(), UserFactory()
    account = AccountFactory(owner=owner)
    with django_assert_num_queries(1):
        before = scope_of(owner)
    assert scope_of(guest) == scope_of(AnonymousUser()) != before
    access = AccountAccess.objects.create(account=account, user=guest)
    assert scope_of(guest) == before
    access.delete()
    assert scope_of(guest) != before


def test_ids_that_run_together_have_scopes_of_their_own() -> None:
    users = [UserFactory(), UserFactory(), UserFactory()]
    for user, ids in zip(users, [["A", "B1:C"], ["A1:B", "C"], ["AB1:C"]], strict=True):
        for pk in ids:
            AccountFactory(owner=user, pk=pk)
    assert len({scope_of(user) for user in users}) == 3
