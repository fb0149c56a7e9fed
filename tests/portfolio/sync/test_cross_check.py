"""A broker's own figures that our price cannot explain: the row is marked, the page names it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from auth_tokens.models import User
from config.core.clock import market_now
from greeks.domain import Quote, Snapshot
from portfolio.book.cross_check import value_conflict
from portfolio.brokers.ibkr_portal.account import decode_position
from portfolio.brokers.ibkr_portal.contracts import decode_contract
from portfolio.domain import BrokerPosition
from portfolio.models import Account, Position, SyncRun
from portfolio.refresh.run import refresh_greeks
from tests.factories import AccountFactory
from tests.portfolio.books import FakeBroker, option, position, quote

FUTURE = {
    "conid": 7, "ticker": "CT", "assetClass": "FUT", "expiry": "20291208", "multiplier": 50000,
    "currency": "USD", "position": 1, "mktPrice": "72.00", "mktValue": "36000",
    "avgCost": "35000", "unrealizedPnl": "1000",
}  # fmt: skip


def held(**changes: Any) -> BrokerPosition:
    return decode_position(FUTURE | changes, {}, received_at=market_now())


def at(price: str, **changes: Any) -> Quote:
    contract = decode_contract(FUTURE)
    values: dict[str, Any] = {"mark": Decimal(price), "bid": None, "ask": None}
    values |= {"opening_price": None, "previous_close": None}
    return quote(contract, **(values | changes))


@pytest.fixture
def account(trader: User) -> Account:
    account: Account = AccountFactory.create(owner=trader)
    return account


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("magnifier", "price", "conflict"),
    [
        (100, "0.72", ""),
        (None, "72", "the broker's value is 36,000, ours 3,600,000"),
    ],
)
def test_price_in_cents_is_converted_or_said(
    account: Account,
    broker: FakeBroker,
    run_sync: Callable[[str], SyncRun],
    signed_in: Client,
    magnifier: int | None,
    price: str,
    conflict: str,
) -> None:
    broker.positions = [held(priceMagnifier=magnifier)]
    broker.snapshot = lambda contract: Snapshot(contract=contract, quote=None, greeks=None)
    run_sync(account.pk)
    row = Position.objects.get()
    assert (row.price, row.value_conflict) == (Decimal(price), conflict)
    assert (row.market_value, row.unrealized_pnl) == (
        36000,
        1000 if magnifier else row.unrealized_pnl,
    )
    body = signed_in.get("/api/portfolio/risk-monitor/fast").json()
    assert [each["value_conflict"] for each in body["positions"]] == [conflict]
    named = [f"CT 20291208: {conflict}"] if conflict else []
    assert body["totals"]["value_conflicts"] == named
    if magnifier:
        assert body["totals"]["dollar_delta"] == pytest.approx(36000)
    page = signed_in.get("/").content.decode()
    assert ("≠ broker</small>" in page) == bool(conflict)
    assert ("CT 20291208: the broker&#x27;s value is 36,000" in page) == bool(conflict)


@pytest.mark.django_db
def test_mark_of_a_row_stays_until_the_next_sync(
    account: Account, broker: FakeBroker, run_sync: Callable[[str], SyncRun]
) -> None:
    broker.positions = [position(option(), 1, market_value=Decimal(120_000))]
    run_sync(account.pk)
    assert Position.objects.get().value_conflict
    refresh_greeks(account_ids=[account.pk])
    assert Position.objects.get().value_conflict
    broker.positions = [position(option(), 1, market_value=Decimal(1_200))]
    run_sync(account.pk)
    assert Position.objects.get().value_conflict == ""


@pytest.mark.parametrize(
    ("price", "changes", "agrees"),
    [
        ("0.72", {}, True),
        ("0.60", {}, True),  # within a quarter and five hundredths
        ("0.50", {}, False),
        ("0.50", {"previous_close": Decimal("0.70")}, True),  # it has been there today
        ("0.10", {"bid": Decimal("0.05"), "ask": Decimal("0.9")}, True),
        ("72", {}, False),
    ],
)
def test_movement_of_the_quote_explains_a_difference(
    price: str, changes: dict[str, Any], agrees: bool
) -> None:
    found = value_conflict(held(unrealizedPnl=None), Decimal(price), at(price, **changes))
    assert (found == "") is agrees


def test_profit_that_the_price_contradicts_is_named() -> None:
    found = value_conflict(held(mktValue=None, unrealizedPnl="100000"), Decimal("0.72"), None)
    assert found == "the broker's unrealized P&L is 100,000, ours 1,000"


@pytest.mark.parametrize("price", [None, Decimal(0)])
def test_nothing_is_said_where_a_figure_is_missing(price: Decimal | None) -> None:
    bare = held(mktValue=None, unrealizedPnl=None)
    assert value_conflict(bare, price, None) == ""
    assert value_conflict(held(), None, None) == ""
    assert value_conflict(replace(held(), quantity=Decimal(0)), Decimal(1), None) == ""


def test_price_below_zero_is_compared_as_any() -> None:
    sold = held(mktPrice="-37", mktValue="-1850000", unrealizedPnl=None)
    assert value_conflict(sold, Decimal("-37.63"), at("-37.63")) == ""
    assert value_conflict(sold, Decimal("-0.37"), None) != ""
