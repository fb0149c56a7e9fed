"""The risk page: what it costs, and what it shows without a script."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from auth_tokens.models import User
from config.core.clock import now
from portfolio.models import Account
from tests.factories import AccountFactory, AccountStatusFactory, PositionFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


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
    # Session, user, accounts with status, positions, versions, runs under way, account choices,
    # the newest alerts and how many are unread.
    with django_assert_max_num_queries(12):
        assert signed_in.get("/").status_code == 200


def test_page_tells_every_leg_and_total_without_a_script(trader: User, signed_in: Client) -> None:
    account = synced_account(trader, 3)
    page = signed_in.get("/").content.decode()
    for position in account.positions.all():
        assert f"{position.strike:f}".rstrip("0").rstrip(".") in page
    assert "100,000" in page
    assert account.label in page


@pytest.mark.parametrize(
    ("code", "stored", "badge"),
    [
        ("", True, None),
        ("kind_not_stored", True, "partial"),
        ("timeout", False, "error"),
        ("empty_book_unconfirmed", False, None),
    ],
)
def test_card_tells_a_partial_sync_from_a_failed_one_with_its_reason(
    trader: User, signed_in: Client, code: str, stored: bool, badge: str | None
) -> None:
    tried = now()
    account = synced_account(trader)
    Account.objects.filter(pk=account.pk).update(
        last_attempt_at=tried,
        last_synced_at=tried if stored else tried - timedelta(minutes=3),
        last_error_code=code,
        last_error="Orders: no answer" if code else "",
    )
    page = " ".join(signed_in.get("/").content.decode().split())
    card = page[page.index(f'data-account="{account.pk}"') : page.index("</article>")]
    shown = {flag for flag in ("partial", "error") if f'data-flag="{flag}">' in card}
    assert shown == ({badge} if badge else set())
    assert ("Orders: no answer" in card) is bool(code)


def test_page_of_a_foreign_account_is_404(signed_in: Client) -> None:
    foreign = synced_account(UserFactory.create())
    assert signed_in.get("/", {"account_id": foreign.account_id}).status_code == 404


def test_page_without_any_account_says_what_to_do(signed_in: Client) -> None:
    page = signed_in.get("/").content.decode()
    assert "add_account" in page or "No account" in page
