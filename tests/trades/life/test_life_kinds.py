"""A trade's life of each kind: futures, options on them, coins, an index settled twice a day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from greeks.domain import Contract, InstrumentKind
from portfolio.domain import Broker, ExecutionKind
from portfolio.models import Account
from tests.factories import AccountFactory
from tests.trades.life.test_life import at, bars, greeks, life, page
from tests.trades.life.test_payoff_kinds import FUTURE, FUTURE_PUT, index_option
from tests.trades.strategies.test_store import CONTRACTS, fill, record
from trades.executions.rows import Executions, JournalRows
from trades.executions.store import record_rows
from trades.statistics.marks.session_minutes import session_minutes

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
__all__ = ["page"]
COIN = Contract(
    kind=InstrumentKind.CURRENCY,
    symbol="BTC/USD",
    underlying="BTC/USD",
    multiplier=Decimal(1),
    currency="USD",
)
#: 01:00 UTC of the next day, minutes after the tests' ``AT``.
NIGHT = 600


def open_one(contract: Contract, quantity: int, price: str) -> None:
    record(fill(0, quantity, order_id="o", contract=contract, price=Decimal(price)))


def test_future_moves_by_its_multiplier(page: Client) -> None:
    open_one(FUTURE, -2, "7000")
    bars(FUTURE.symbol, {1: "7010", 2: "6990"})
    body = life(page)
    # ∓10 points × 2 × 50, less 1.01.
    assert (at(body, 1, "pnl"), at(body, 2, "pnl")) == (-1001.01, 998.99)
    assert (at(body, 1, "delta"), at(body, 1, "gamma"), at(body, 1, "theta")) == (-100, 0, 0)


def test_option_on_a_future_counts_in_units_of_the_future(page: Client) -> None:
    open_one(FUTURE_PUT, -1, "20")
    bars(FUTURE_PUT.symbol, {1: "15"})
    greeks(FUTURE_PUT.symbol, 1, spot="7000", delta=-0.4, gamma=0.001, theta=-2.0, vega=3.0)
    body = life(page)
    assert at(body, 1, "pnl") == pytest.approx(248.99)
    assert [at(body, 1, name) for name in ("delta", "theta", "vega")] == pytest.approx(
        [20, 100, -150]
    )
    assert at(body, 1, "underlying") == 7000


def test_coin_is_held_in_parts(page: Client) -> None:
    owner = Account.objects.get().owner
    AccountFactory.create(account_id="T1", account_number="T1", broker="TASTY", owner=owner)
    bought = replace(
        fill(0, 1, order_id="c", contract=COIN, price=Decimal(95000)),
        broker=Broker.TASTY,
        account_number="T1",
        quantity=Decimal("0.5"),
    )
    record_rows(
        JournalRows(executions=Executions([bought])), broker=Broker.TASTY, source="tastytrade"
    )
    bars(COIN.symbol, {1: "96000"})
    body = life(page)
    assert [at(body, 1, name) for name in ("pnl", "delta")] == pytest.approx([498.99, 0.5])


def test_index_settled_in_the_morning_needs_no_mark_in_the_afternoon(page: Client) -> None:
    morning, afternoon = index_option("SPX"), index_option("SPXW")
    bought = {"contract": afternoon, "broker_execution_id": "00a1.01", "price": Decimal(4)}
    settled = {"kind": ExecutionKind.CASH_SETTLEMENT, "contract": morning, "price": Decimal(5)}
    record(
        fill(0, -1, order_id="i", contract=morning, price=Decimal(3), commission=None),
        fill(0, 1, order_id="i", commission=None, **bought),
        fill(10, 1, commission=None, **settled),
    )
    bars(morning.symbol, {1: "2"})
    bars(afternoon.symbol, {1: "4.5", 12: "6"})
    greeks(afternoon.symbol, 12, delta=0.7)
    body = life(page)
    # (3 − 2) × 100 + (4.5 − 4) × 100; then (3 − 5) × 100 is settled.
    assert (at(body, 1, "pnl"), at(body, 12, "pnl")) == (150, 0)
    assert at(body, 12, "delta") == pytest.approx(70)


@pytest.mark.parametrize(("contract", "is_seen"), [(FUTURE, True), (CONTRACTS[3], False)])
def test_night_counts_for_what_trades_at_night(
    page: Client, contract: Contract, is_seen: bool
) -> None:
    open_one(contract, 1, "50")
    bars(contract.symbol, {1: "51", NIGHT: "52"})
    body = life(page, after=timedelta(minutes=NIGHT + 5))
    moments = [datetime.fromisoformat(text) for text in body["series"]["at"]]
    assert (max(moments).hour == 1) is is_seen


FRIDAY, MONDAY = (datetime(2026, 1, day, hour, tzinfo=UTC) for day, hour in ((9, 20), (12, 15)))
SATURDAY = datetime(2026, 1, 10, 10, tzinfo=UTC).timestamp()
ALWAYS = (FRIDAY.timestamp(), MONDAY.timestamp())


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        # Until 21:00 UTC of Friday, and from 14:30 of Monday.
        (60 + 30, {}),
        (60 + 30, {"marked": ALWAYS}),
        # Until 22:00 UTC of Friday, and from 22:00 of Sunday.
        (120 + 17 * 60, {"marked": ALWAYS, "kinds": {"future"}}),
        (120 + 17 * 60, {"marked": ALWAYS, "kinds": {"option", "currency"}}),
        (60 + 30, {"kinds": {"future"}}),
        # The simulated market is open whenever the desk runs.
        (60 + 30 + 5, {"marked": (SATURDAY, SATURDAY + 240), "simulated": True}),
        (60 + 30, {"simulated": True}),
        # No calendar of this currency's exchanges.
        (120 + 17 * 60, {"currency": "EUR"}),
    ],
)
def test_marks_are_expected_while_the_market_is_open(
    expected: int, changes: dict[str, Any]
) -> None:
    values: dict[str, Any] = {"currency": "USD", "kinds": {"option"}, "simulated": False}
    found = session_minutes(FRIDAY, MONDAY, **(values | {"marked": None} | changes))
    assert found.size == expected
