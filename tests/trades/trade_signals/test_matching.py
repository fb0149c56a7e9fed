"""Signals and trades by window: the closest pair first, each trade once."""

from __future__ import annotations

import unittest
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greeks.domain import Right
from trades.strategies.payoff import PayoffLeg
from trades.trade_signals.states import CORRECTIONS, STEPS, Status, steps_between
from trades.trade_signals.ties.matching import Opened, Wanted, is_long, match_by_window

AT = datetime(2026, 3, 2, 15, tzinfo=UTC)
HUNDRED = Decimal(100)


def wanted(number: int, minute: int, *, legs: frozenset[tuple[int, bool]] = frozenset()) -> Wanted:
    at = AT + timedelta(minutes=minute)
    return Wanted(
        signal=number,
        at=at,
        until=at + timedelta(minutes=30),
        accounts=frozenset({"U1"}),
        underlying="SPY",
        is_long=True,
        legs=legs,
    )


def opened(number: int, minute: int, *, is_long: bool | None = True, account: str = "U1") -> Opened:
    return Opened(
        key=number,
        at=AT + timedelta(minutes=minute),
        account=account,
        underlying="SPY",
        is_long=is_long,
        legs=frozenset({(7, True)}),
    )


def test_trade_in_the_window_of_the_same_direction_follows() -> None:
    assert match_by_window([wanted(1, 0)], [opened(10, 30)]) == {1: 10}
    for late in (
        opened(10, 31), opened(10, -1), opened(10, 5, is_long=False), opened(10, 5, is_long=None),
        opened(10, 5, account="U2"),
    ):  # fmt: skip
        assert match_by_window([wanted(1, 0)], [late]) == {}
    assert match_by_window([wanted(1, 0, legs=frozenset({(7, True)}))], [opened(10, 5)]) == {1: 10}
    assert match_by_window([wanted(1, 0, legs=frozenset({(7, False)}))], [opened(10, 5)]) == {}


MINUTES = st.lists(st.integers(0, 120), max_size=8)


class TestMatching(unittest.TestCase):
    @given(MINUTES, MINUTES, st.randoms(use_true_random=False))
    def test_each_trade_follows_one_signal_in_any_order(self, asked, traded, random) -> None:  # type: ignore[no-untyped-def]
        signals = [wanted(n, minute) for n, minute in enumerate(asked)]
        trades = [opened(100 + n, minute) for n, minute in enumerate(traded)]
        found = match_by_window(signals, trades)
        assert len(set(found.values())) == len(found)
        by_key = {trade.key: trade for trade in trades}
        for number, key in found.items():
            assert signals[number].at <= by_key[key].at <= signals[number].until
        # Nothing that fits is left on both sides.
        free = [trade for trade in trades if trade.key not in found.values()]
        for signal in signals:
            if signal.signal not in found:
                assert not any(signal.at <= trade.at <= signal.until for trade in free)
        shuffled, mixed = list(signals), list(trades)
        random.shuffle(shuffled)
        random.shuffle(mixed)
        assert match_by_window(shuffled, mixed) == found


def leg(quantity: int, strike: int | None, right: Right | None = None) -> PayoffLeg:
    return PayoffLeg(
        quantity=Decimal(quantity),
        multiplier=HUNDRED,
        price=Decimal(100) if strike is None else Decimal(2),
        strike=None if strike is None else Decimal(strike),
        right=right,
    )


@pytest.mark.parametrize(
    ("legs", "expected"),
    [
        ([leg(100, None)], True),
        ([leg(-100, None)], False),
        ([leg(-1, 95, Right.PUT)], True),
        ([leg(1, 95, Right.PUT)], False),
        ([leg(-1, 95, Right.PUT), leg(1, 90, Right.PUT)], True),
        ([leg(-1, 105, Right.CALL), leg(1, 110, Right.CALL)], False),
        (
            [leg(-1, 95, Right.PUT), leg(1, 90, Right.PUT),
             leg(-1, 105, Right.CALL), leg(1, 110, Right.CALL)],
            None,
        ),
        ([], None),
    ],
)  # fmt: skip
def test_direction_is_where_the_legs_gain(legs: list[PayoffLeg], expected: bool | None) -> None:
    assert is_long(legs) is expected


def test_only_listed_steps_lead_anywhere() -> None:
    for before in Status:
        for after in Status:
            steps = steps_between(before, after)
            assert (steps is not None) == (
                after in STEPS[before] or (before, after) == (Status.QUEUED, Status.EXECUTED)
            )
            corrected = steps_between(before, after, corrects=True)
            assert (corrected is not None) == (
                steps is not None or after in CORRECTIONS.get(before, ())
            )
    assert steps_between(Status.QUEUED, Status.EXECUTED) == [Status.ACTIVE, Status.EXECUTED]
    assert all(not STEPS[final] for final in (Status.EXECUTED, Status.EXPIRED, Status.CANCELLED))
