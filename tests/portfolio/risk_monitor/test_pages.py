"""The risk page: what it costs, and what it shows without a script."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from auth_tokens.models import User
from config.core.clock import now
from portfolio.models import Account
from tests.factories import AccountFactory, AccountStatusFactory, PositionFactory, UserFactory

pytestmark = pytest.mark.django_db


def synced_account(owner: User, positions: int = 1) -> Account:
    account = AccountFactory.create(owner=owner, last_synced_at=now())
    AccountStatusFactory.create(account=account)
    for _ in range(positions):
        PositionFactory.create(account=account)
    return account


@pytest.mark.parametrize(("accounts", "positions"), [(1, 1), (4, 25)])
def test_page_has_a_query_budget_whatever_the_book(
    trader: User,
    signed_in: Client,
    accounts: int,
    positions: int,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(accounts):
        synced_account(trader, positions)
    # Session, user, accounts with status, positions, versions, runs under way, account choices.
    with django_assert_max_num_queries(10):
        assert signed_in.get("/").status_code == 200


def test_page_tells_every_leg_and_total_without_a_script(trader: User, signed_in: Client) -> None:
    account = synced_account(trader, 3)
    page = signed_in.get("/").content.decode()
    for position in account.positions.all():
        assert f"{position.strike:f}".rstrip("0").rstrip(".") in page
    assert "100,000" in page
    assert account.label in page


def test_page_of_a_foreign_account_is_404(signed_in: Client) -> None:
    foreign = synced_account(UserFactory.create())
    assert signed_in.get("/", {"account_id": foreign.account_id}).status_code == 404


def test_page_without_any_account_says_what_to_do(signed_in: Client) -> None:
    page = signed_in.get("/").content.decode()
    assert "add_account" in page or "No account" in page
