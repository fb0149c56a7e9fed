"""A trade's profit and Greeks over its life, from the minutes of its contracts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import time_machine
from django.test import Client

from greeks.models import ContractGreekHistory, Instrument
from portfolio.domain import ExecutionKind
from portfolio.models import PriceBar
from tests.factories import AccountFactory, UserFactory
from tests.trades.strategies.test_store import AT, CONTRACTS, fill, record
from trades.life.sampling import at_points, looked_at, minutes_a_point, sample
from trades.models import Trade

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
MINUTE = timedelta(minutes=1)
PUT, LOW, _, STOCK, _ = CONTRACTS


@pytest.fixture
def page(client: Client) -> Client:
    account = AccountFactory.create(account_id="U1", account_number="U1", broker="IBKR")
    client.force_login(account.owner)
    return client


def life(page: Client, *, after: timedelta = timedelta(minutes=30)) -> dict[str, Any]:
    with time_machine.travel(AT + after, tick=False):
        answer = page.get(f"/api/trades/{Trade.objects.get().key}/life")
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def bars(symbol: str, prices: Mapping[int, str]) -> None:
    """Store bars, by minutes after ``AT``."""
    instrument = Instrument.objects.get(symbol=symbol)
    for number, price in prices.items():
        at, amount = AT + number * MINUTE, Decimal(price)
        PriceBar.objects.create(
            instrument=instrument, minute=at, open=amount, high=amount, low=amount, close=amount,
            source="tasty", as_of=at,
        )  # fmt: skip


def greeks(symbol: str, number: int, *, spot: str = "100", **values: float | None) -> None:
    ContractGreekHistory.objects.create(
        instrument=Instrument.objects.get(symbol=symbol),
        minute=AT + number * MINUTE,
        **{f"{name}_raw": value for name, value in values.items()},
        underlying_price=Decimal(spot),
        source="ibkr",
        as_of=AT + number * MINUTE,
    )


def at(body: dict[str, Any], number: int, name: str) -> float | None:
    """Return a series' value so many minutes after ``AT``."""
    moments = [datetime.fromisoformat(text) for text in body["series"]["at"]]
    value: float | None = body["series"][name][moments.index(AT + number * MINUTE)]
    return value


def test_profit_and_greeks_are_signed_and_of_all_legs(page: Client) -> None:
    record(
        fill(0, -2, order_id="v", price=Decimal(3), commission=Decimal(2)),
        fill(0, 2, order_id="v", price=Decimal(1), commission=Decimal(2), contract=LOW,
             broker_execution_id="00a1.01"),
    )  # fmt: skip
    bars(PUT.symbol, {1: "2.50", 2: "2.00"})
    bars(LOW.symbol, {1: "0.80", 3: "0.50"})
    greeks(PUT.symbol, 1, delta=-0.4, gamma=0.02, theta=-0.05, vega=0.10)
    greeks(LOW.symbol, 1, delta=-0.1, gamma=0.01, theta=-0.02, vega=None)
    body = life(page)
    # (3 − 2.5) × 200 − (1 − 0.8) × 200 − 4 of commissions.
    assert at(body, 1, "pnl") == pytest.approx(56)
    assert at(body, 1, "delta") == pytest.approx(60)
    assert at(body, 1, "theta") == pytest.approx(6)
    assert at(body, 1, "vega") is None
    assert at(body, 1, "underlying") == 100
    # A leg without a mark: nothing is known of the trade.
    assert [at(body, number, "pnl") for number in (2, 3)] == [None, None]
    assert (body["seen"], body["expected"]) == (1, 29)
    assert (body["price_sources"], body["greek_sources"]) == (["tasty"], ["ibkr"])
    assert [(each["role"], each["quantity"]) for each in body["fills"]] == [
        ("open", -2), ("open", 2),
    ]  # fmt: skip


def test_life_ends_with_what_the_trade_brought(page: Client) -> None:
    record(
        fill(0, -1, order_id="a", price=Decimal(3), commission=Decimal(1)),
        fill(5, 1, order_id="b", price=Decimal(1), commission=Decimal(1)),
    )
    bars(PUT.symbol, {1: "2.00", 4: "1.50", 9: "0.10"})
    body = life(page)
    assert body["series"]["pnl"] == pytest.approx([99, None, None, 149, 198])
    assert body["series"]["delta"][-1] == 0
    assert body["series"]["at"][-1] == (AT + 5 * MINUTE).isoformat().replace("+00:00", "Z")
    assert (body["seen"], body["expected"]) == (3, 5)


def test_closing_by_expiry_needs_no_mark_and_is_marked(page: Client) -> None:
    record(
        fill(0, -1, order_id="a", price=Decimal(3)),
        fill(20, 1, kind=ExecutionKind.EXPIRATION, price=Decimal(0), commission=None),
    )
    bars(PUT.symbol, {1: "2.00"})
    body = life(page)
    assert body["series"]["pnl"][-1] == pytest.approx(298.99)
    assert [each["kind"] for each in body["fills"]] == ["trade", "expiration"]


def test_shares_have_a_delta_of_one(page: Client) -> None:
    record(fill(0, 30, order_id="s", contract=STOCK, price=Decimal(50), commission=None))
    bars("XYZ", {1: "51"})
    body = life(page)
    assert (at(body, 1, "pnl"), at(body, 1, "delta"), at(body, 1, "vega")) == (30, 30, 0)
    assert at(body, 1, "underlying") == 51


def test_adjusted_option_counts_for_the_shares_it_delivers(page: Client) -> None:
    record(fill(0, 1, order_id="a", price=Decimal(3), commission=None))
    Instrument.objects.filter(symbol=PUT.symbol).update(is_adjusted=True, deliverable_shares=10)
    bars(PUT.symbol, {1: "4.00", 2: "4.00"})
    greeks(PUT.symbol, 1, delta=-0.5)
    assert at(life(page), 1, "delta") == pytest.approx(-5)
    Instrument.objects.filter(symbol=PUT.symbol).update(deliverable_shares=None)
    assert at(life(page), 1, "delta") is None


def test_trade_without_marks_has_no_points(page: Client) -> None:
    record(fill(0, -1, order_id="a"))
    body = life(page)
    assert (body["series"]["at"], body["seen"], body["expected"]) == ([], 0, 29)
    assert len(body["fills"]) == 1


def test_closing_of_unknown_opening_has_no_profit(page: Client) -> None:
    record(fill(5, -1, order_id="a", position_effect="CLOSE"))
    body = life(page)
    assert (body["series"]["pnl"], body["seen"]) == ([], 0)


def test_long_life_has_bounded_points_and_queries(
    page: Client, django_assert_max_num_queries: Any
) -> None:
    """A year of minutes: read from the index, a few hundred points."""
    record(fill(0, -1, order_id="a", price=Decimal(3), commission=None))
    pk = Instrument.objects.get(symbol=PUT.symbol).pk
    moments = [AT + day * timedelta(days=1) + n * MINUTE for day in range(364) for n in range(3)]
    PriceBar.objects.bulk_create(
        PriceBar(instrument_id=pk, minute=moment, open=2, high=2, low=2, close=2, source="x",
                 as_of=moment)
        for moment in moments
    )  # fmt: skip
    page.get("/api/trades")
    with django_assert_max_num_queries(12):
        body = life(page, after=timedelta(days=365))
    assert 300 < len(body["series"]["at"]) <= 361
    assert body["minutes_a_point"] > 200


def test_other_people_do_not_see_it(page: Client) -> None:
    record(fill(0, -1, order_id="a"))
    page.force_login(UserFactory.create())
    for name in ("life", "payoff"):
        assert page.get(f"/api/trades/{Trade.objects.get().key}/{name}").status_code == 404


def test_a_point_takes_the_last_row_of_its_minutes() -> None:
    minutes = np.arange(0.0, 600.0, 60.0)
    points = sample(minutes, 4)
    assert points.tolist() == [180.0, 420.0, 540.0]
    assert looked_at(points, 4).tolist()[:3] == [60.0, 120.0, 180.0]
    found = at_points([(120.0, 1.0), (60.0, 2.0), (240.0, 9.0), (540.0, 3.0)], points, 4)
    assert found.tolist()[::2] == [1.0, 3.0]
    assert np.isnan(found[1])
    assert [minutes_a_point(n) for n in (0, 360, 361, 7200)] == [1, 1, 2, 20]
