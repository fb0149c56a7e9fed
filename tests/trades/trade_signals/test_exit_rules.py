"""Exit rules are pure: they fire at the threshold, recede by the band, and never guess."""

from __future__ import annotations

import math
import unittest
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trades.models import ExitRule
from trades.trade_signals.exits.rules import KINDS, TradeNow, number_words

Kind = ExitRule.Kind
NUMBERS = st.floats(-1e6, 1e6)
TRADE = TradeNow(profit=120.0, best=200.0, most=400.0, premium=300.0, days=7, short_delta=0.35,
                 minute=945, time_value=0.05)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "changed", "expected"),
    [
        (Kind.PROFIT_TARGET, {}, 30.0),
        (Kind.PROFIT_TARGET, {"most": None}, 40.0),
        (Kind.PROFIT_TARGET, {"most": None, "premium": -240.0}, 50.0),
        (Kind.STOP_LOSS, {"profit": -450.0}, 150.0),
        (Kind.DAYS_TO_EXPIRY, {}, 7.0),
        (Kind.DELTA_BREACH, {}, 0.35),
        (Kind.TRAILING, {}, 40.0),
        (Kind.TRAILING, {"best": -10.0, "profit": -50.0}, 0.0),
        (Kind.TIME_OF_DAY, {}, 945.0),
        (Kind.ASSIGNMENT_RISK, {}, 0.05),
        (Kind.ASSIGNMENT_RISK, {"time_value": math.inf}, math.inf),
    ],
)
def test_each_kind_reads_its_number(kind: str, changed: dict[str, Any], expected: float) -> None:
    assert KINDS[kind].number(replace(TRADE, **changed)) == pytest.approx(expected)


def test_every_kind_is_in_the_table_and_knows_nothing_of_an_unknown_trade() -> None:
    assert set(KINDS) == set(Kind.values)
    for kind in KINDS.values():
        for was_active in (True, False):
            assert kind.is_active(TradeNow(), threshold=1, band=0, was_active=was_active) is None


def test_numbers_are_written_with_their_unit() -> None:
    assert number_words(Kind.TIME_OF_DAY, 945) == "15:45"
    assert number_words(Kind.PROFIT_TARGET, 50) == "50 %"
    assert number_words(Kind.DAYS_TO_EXPIRY, 21.0) == "21 days"


class TestHysteresis(unittest.TestCase):
    @given(st.lists(NUMBERS, min_size=1, max_size=40), NUMBERS, st.floats(0, 1e5), st.booleans())
    def test_rule_fires_at_the_threshold_and_recedes_beyond_the_band(
        self, values: list[float], threshold: float, band: float, falls: bool
    ) -> None:
        kind = replace(KINDS[Kind.STOP_LOSS], falls=falls, number=lambda trade: trade.profit)
        active = False
        for value in values:
            before = active
            found = kind.is_active(
                TradeNow(profit=value), threshold=threshold, band=band, was_active=before
            )
            assert found is not None
            active = found
            past = threshold - value if falls else value - threshold
            if past >= 0:
                assert active
            elif past < -band:
                assert not active
            else:
                assert active == before

    @given(st.floats(-1e4, 1e4), st.floats(1, 1e4), st.floats(1, 1000), st.floats(0.1, 1000))
    def test_shares_do_not_depend_on_the_size_of_the_trade(
        self, profit: float, premium: float, threshold: float, size: float
    ) -> None:
        one = TradeNow(profit=profit, premium=premium, most=premium, best=max(profit, 0.0))
        many = TradeNow(
            profit=profit * size,
            premium=premium * size,
            most=premium * size,
            best=max(profit, 0.0) * size,
        )
        for name in (Kind.PROFIT_TARGET, Kind.STOP_LOSS, Kind.TRAILING):
            first, second = KINDS[name].number(one), KINDS[name].number(many)
            assert first == pytest.approx(second, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (Kind.PROFIT_TARGET, 85.1339, "85.1 %"),
        (Kind.PROFIT_TARGET, 50.0, "50 %"),
        (Kind.STOP_LOSS, 199.96, "200 % of the premium"),
        (Kind.STOP_LOSS, 10_000, "10,000 % of the premium"),
        (Kind.DAYS_TO_EXPIRY, 21.0, "21 days"),
        (Kind.DELTA_BREACH, 0.34567, "0.35 delta"),
        (Kind.ASSIGNMENT_RISK, 0.0012345, "0.0012 time value"),
        (Kind.ASSIGNMENT_RISK, 0.0, "0 time value"),
        (Kind.TIME_OF_DAY, 945.0, "15:45"),
    ],
)
def test_number_is_written_with_few_digits(kind: Kind, value: float, words: str) -> None:
    assert number_words(kind, value) == words
