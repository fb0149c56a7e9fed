"""What legs are called together (issue: strategies by order or by the position they form)."""

from __future__ import annotations

import pytest

from portfolio.domain import ExecutionKind
from tests.trades.strategies.journal import Journal

NEAR, FAR, LEAP = "2026-04-17", "2026-05-15", "2027-01-15"


@pytest.mark.parametrize(
    ("legs", "strategy", "words"),
    [
        (["-1 P90 N"], "single", "Short put"),
        (["100 stock"], "stock", "Long stock"),
        (["100 stock", "-1 C110 N"], "covered", "Covered call"),
        (["-100 stock", "-1 P90 N"], "covered", "Covered put"),
        (["100 stock", "1 P90 N"], "protective", "Protective put"),
        (["100 stock", "1 P90 N", "-1 C110 N"], "collar", "Collar"),
        (["-2 P90 N", "2 P85 N"], "vertical", "Put credit spread"),
        (["2 P90 N", "-2 P85 N"], "vertical", "Put debit spread"),
        (["-1 C110 N", "1 C115 N"], "vertical", "Call credit spread"),
        (["1 C110 N", "-1 C115 N"], "vertical", "Call debit spread"),
        (["1 P85 N", "-1 P90 N", "-1 C110 N", "1 C115 N"], "iron_condor", "Iron condor"),
        (["-1 P85 N", "1 P90 N", "1 C110 N", "-1 C115 N"], "iron_condor", "Reverse iron condor"),
        (["1 P90 N", "-1 P100 N", "-1 C100 N", "1 C110 N"], "butterfly", "Iron butterfly"),
        (["1 C90 N", "-2 C100 N", "1 C110 N"], "butterfly", "Long call butterfly"),
        (["1 P90 N", "-1 P95 N", "-1 P100 N", "1 P105 N"], "condor", "Long put condor"),
        (["-1 P100 N", "-1 C100 N"], "straddle", "Short straddle"),
        (["1 P90 N", "1 C110 N"], "strangle", "Long strangle"),
        (["-1 C100 N", "1 C100 F"], "calendar", "Call calendar"),
        (["-1 C105 N", "1 C100 F"], "diagonal", "Call diagonal"),
        (["-1 C105 N", "1 C80 L"], "pmcc", "Poor man's covered call"),
        (["1 P85 F", "-1 P90 N", "-1 C110 N", "1 C115 F"], "double_diagonal", "Double diagonal"),
        (["1 P90 F", "-1 P90 N", "-1 C110 N", "1 C110 F"], "double_diagonal", "Double calendar"),
        (["1 C100 N", "-2 C110 N"], "ratio_spread", "Call ratio spread"),
        (["2 P85 N", "-1 P90 N"], "back_spread", "Put back spread"),
        (["-1 P90 N", "-1 C110 N", "1 C115 N"], "jade_lizard", "Jade lizard"),
        (["-1 C110 N", "-1 P90 N", "1 P85 N"], "jade_lizard", "Reverse jade lizard"),
        (["1 C90 N", "-1 C100 N", "1 P100 N", "-1 P90 N"], "box", "Long box"),
        (["1 C100 N", "-1 P100 N"], "custom", "Synthetic long stock"),
        (["1 C110 N", "-1 P90 N"], "custom", "Risk reversal"),
        (["1 C110 N", "1 C115 N"], "custom", "Custom, 2 legs"),
    ],
)
def test_one_order_is_named_by_its_legs(legs: list[str], strategy: str, words: str) -> None:
    journal = Journal()
    expiries = {"N": NEAR, "F": FAR, "L": LEAP}
    journal.order("o1", *[leg[:-1] + expiries.get(leg[-1], leg[-1]) for leg in legs])
    named = journal.only().named
    assert (named.strategy.value, named.words) == (strategy, words)


def test_quantity_is_that_of_the_strategy() -> None:
    journal = Journal()
    journal.order("o1", "3 C90 2026-04-17", "-6 C100 2026-04-17", "3 C110 2026-04-17")
    assert journal.only().quantity == 3


def test_call_on_shares_held_before_is_covered_as_far_as_they_reach() -> None:
    journal = Journal()
    journal.fill(200, "stock", order="s")
    journal.order("c1", "-2 C110 2026-04-17", day=10)
    journal.order("c2", "-1 C120 2026-04-17", day=11)
    words = [trade.named.words for trade in journal.build().trades]
    assert words == ["Long stock", "Covered call", "Short call"]


def test_put_assigned_and_call_written_on_the_shares_is_a_wheel() -> None:
    journal = Journal()
    journal.order("o1", "-1 P90 2026-03-20")
    journal.fill(1, "P90 2026-03-20", day=18, kind=ExecutionKind.ASSIGNMENT, price=None)
    journal.fill(100, "stock", day=18, kind=ExecutionKind.DELIVERY, price="90")
    assigned = journal.only()
    assert (assigned.named.words, assigned.open_words) == ("Short put", "Long stock")
    journal.order("o2", "-1 C95 2026-04-17", day=20)
    wheel = journal.only()
    assert (wheel.named.strategy, wheel.open_words) == ("wheel", "Covered call")


def test_call_written_later_on_a_leap_is_a_poor_mans_covered_call() -> None:
    journal = Journal()
    journal.order("o1", "1 C80 2027-01-15")
    journal.order("o2", "-1 C105 2026-04-17", day=5)
    assert journal.only().named.strategy == "pmcc"
    journal.order("o3", "1 C105 2026-04-17", day=9)
    journal.order("o4", "-1 C108 2026-05-15", day=12)
    trade = journal.only()
    assert (trade.named.strategy, trade.open_words) == ("pmcc", "Poor man's covered call")


def test_orders_of_one_session_that_form_a_strategy_are_one_trade() -> None:
    journal = Journal()
    journal.order("o1", "-1 P90 2026-04-17", "1 P85 2026-04-17")
    journal.order("o2", "-1 C110 2026-04-17", "1 C115 2026-04-17", minute=90)
    assert journal.only().named.strategy == "iron_condor"


@pytest.mark.parametrize(
    ("legs", "day"),
    [
        (["-2 C110 2026-04-17", "2 C115 2026-04-17"], 0),  # other quantity
        (["-1 C110 2026-05-15", "1 C115 2026-05-15"], 0),  # other expiry
        (["-1 C110 2026-04-17", "1 C115 2026-04-17"], 1),  # another session
        (["-1 P80 2026-04-17"], 0),
    ],
)
def test_orders_that_form_nothing_stay_apart(legs: list[str], day: int) -> None:
    journal = Journal()
    journal.order("o1", "-1 P90 2026-04-17", "1 P85 2026-04-17")
    journal.order("o2", *legs, day=day, minute=90)
    assert len(journal.build().trades) == 2


def test_more_of_the_same_joins_what_is_open() -> None:
    journal = Journal()
    journal.order("o1", "-1 P90 2026-04-17", "1 P85 2026-04-17")
    journal.order("o2", "-2 P90 2026-04-17", "2 P85 2026-04-17", day=3)
    trade = journal.only()
    assert (trade.named.words, int(trade.quantity)) == ("Put credit spread", 3)


def test_rule_21_label_stays_when_legs_are_closed() -> None:
    journal = Journal()
    journal.order(
        "o1", "1 P85 2026-04-17", "-1 P90 2026-04-17", "-1 C110 2026-04-17", "1 C115 2026-04-17"
    )
    journal.order("o2", "1 C110 2026-04-17", "-1 C115 2026-04-17", day=4)
    trade = journal.only()
    assert (trade.named.words, trade.open_words) == ("Iron condor", "Put credit spread")
