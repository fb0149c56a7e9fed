"""Rule 25: excursions are money of the whole trade, from the marks while it was open."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.test import Client

from greeks.models import Instrument
from portfolio.models import Account, PriceBar
from tests.trades.statistics.test_report import DAY, MONDAY, report, round_trip
from trades.models import TradeMarks
from trades.statistics.marks.excursions import MarkedLot, measure_excursions
from trades.statistics.marks.store import measure_marks

MINUTE = timedelta(minutes=1)


def lot(**changes: Any) -> MarkedLot:
    values: dict[str, Any] = {
        "instrument": 1,
        "opened": 0.0,
        "closed": 300.0,
        "units": -100.0,
        "price": 2.0,
        "open_costs": 1.0,
        "net": 148.0,
    }
    return MarkedLot(**values | changes)


MINUTES = np.array([60.0, 120.0, 180.0, 240.0])


def test_rule_25_worst_and_best_are_of_the_whole_trade() -> None:
    marks = {1: {60.0: 2.5, 120.0: 1.0, 180.0: 0.5, 240.0: 0.6},
             2: {60.0: 1.5, 120.0: 0.5, 240.0: 0.2}}  # fmt: skip
    wing = lot(instrument=2, units=100.0, price=1.0)
    found = measure_excursions([lot(), wing], marks, MINUTES, most=None, days_exit_at=None)
    # Short: -51, 99, (149), 139; long: 49, -51, ?, -81.
    assert (found.seen, found.worst, found.best) == (3, -2.0, 58.0)


def test_rule_25_without_marks_there_is_no_excursion() -> None:
    found = measure_excursions([lot()], {}, MINUTES, most=200.0, days_exit_at=0.0)
    assert (found.seen, found.worst, found.best, found.exits) == (0, None, None, {})


def test_exits_are_at_the_first_mark_that_reaches_them() -> None:
    marks = {1: {60.0: 1.4, 120.0: 0.9, 180.0: 1.2, 240.0: 0.8}}
    found = measure_excursions([lot()], marks, MINUTES, most=200.0, days_exit_at=170.0)
    assert found.exits == pytest.approx({"25": 59.0, "50": 109.0, "21": 79.0})


def test_a_lot_counts_with_its_result_once_it_is_closed() -> None:
    marks = {1: {60.0: 2.0, 120.0: 2.0}}
    found = measure_excursions(
        [lot(closed=100.0, net=30.0), lot(opened=110.0)], marks, MINUTES[:2], most=None,
        days_exit_at=None,
    )  # fmt: skip
    assert (found.worst, found.best) == (-1.0, 29.0)


def test_trade_without_marks_costs_nothing_for_each_of_its_minutes() -> None:
    class Counted(dict[float, float]):
        asked = 0

        def get(self, minute: float, default: Any = None) -> Any:
            Counted.asked += 1
            return super().get(minute, default)

    minutes = np.arange(0.0, 60_000.0, 60.0)
    lots = [lot(opened=600.0, closed=1_200.0), lot(instrument=2, closed=60_000.0)]
    found = measure_excursions(
        lots, {1: Counted({600.0: 2.0}), 2: Counted()}, minutes, most=None, days_exit_at=None
    )
    # Only the ten minutes in which the marked lot was open.
    assert (found.seen, Counted.asked) == (0, 10)


def bars(strike: int, *prices: str) -> None:
    instrument = Instrument.objects.get(strike=strike)
    for number, price in enumerate(prices, start=1):
        at, amount = MONDAY + number * MINUTE, Decimal(price)
        PriceBar.objects.create(
            instrument=instrument, minute=at, open=amount, high=amount, low=amount, close=amount,
            source="tasty", as_of=at,
        )  # fmt: skip


@pytest.mark.django_db
def test_closed_trades_are_followed_once_and_again_when_they_change(
    account: Account, client: Client
) -> None:
    round_trip(1, opened=MONDAY, closed=MONDAY + 10 * MINUTE, net=120)
    bars(401, "2.60", "1.40", "0.70")
    assert [measure_marks(), measure_marks()] == [1, 0]
    marks = TradeMarks.objects.get()
    assert (marks.seen, marks.expected) == (3, 9)
    assert marks.worst == pytest.approx(-60)
    assert marks.best == pytest.approx(130)
    assert marks.exits == {"25": pytest.approx(60), "50": pytest.approx(130)}
    found = report(client)["marks"]
    assert (found["trades"], found["average_worst"]) == (1, pytest.approx(-60))
    exits = {each["rule"]: each for each in found["exits"]}
    assert (exits["50"]["reached"], exits["50"]["net"]) == (1, pytest.approx(130))
    assert (exits["75"]["reached"], exits["75"]["net"]) == (0, pytest.approx(120))
    assert exits["75"]["actual"] == pytest.approx(120)
    TradeMarks.objects.update(net=Decimal(1))
    assert measure_marks() == 1


@pytest.mark.django_db
def test_expected_minutes_are_those_of_sessions(account: Account) -> None:
    round_trip(1, opened=MONDAY, closed=MONDAY + DAY, net=10)
    measure_marks()
    # 15:00 to 21:00 UTC, and 14:30 to 15:00 of the next day.
    assert TradeMarks.objects.get().expected == 359 + 30
