"""Rolls are found lot by lot (rule 20): the ten recorded cases, and what must not be one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from greeks.domain import Right
from portfolio.domain import ExecutionKind
from tests.trades.files import expected
from tests.trades.strategies.journal import Journal
from trades.strategies.chains import link_lots
from trades.strategies.payoff import PayoffLeg, payoff_at, payoff_prices

NAMES = (
    "one_order_roll", "roll_plus_add", "parallel_chains", "legged_same_day", "other_direction",
    "after_expiry", "put_wing_only", "five_into_three_and_two", "sibling_expiry",
)  # fmt: skip


def build(case: dict[str, Any]) -> tuple[Journal, list[int], list[int]]:
    """Open what the case closes a week before, then let its session happen."""
    journal = Journal()
    wings = {"put_wing_only": ["-1 C110 2026-07-18", "1 C115 2026-07-18"]}.get(case["id"], [])
    by_order: dict[str, list[str]] = {}
    for leg in case["close"]:
        by_order.setdefault(leg[4], []).append(_leg(leg))
    parents = []
    for order, legs in by_order.items():
        parents += journal.order(f"old {order}", *legs, *wings, day=-7)[: len(legs)]
    for number, leg in enumerate(case.get("already_open", [])):
        journal.order(f"x{number}", _leg(leg), day=-6)
    for leg in case["close"]:
        expired = leg[4] == "EXPIRATION"
        journal.fill(
            -leg[1],
            _name(leg),
            order=leg[4],
            kind=ExecutionKind.EXPIRATION if expired else ExecutionKind.TRADE,
            price="0" if expired else "0.4",
            effect="CLOSE",
        )
    orders = {leg[4] for leg in case["close"]}
    children = [
        journal.fill(
            leg[1],
            _name(leg),
            order=leg[4],
            minute=0 if leg[4] in orders else 180,
            effect="OPEN",
        )
        for leg in case["open"]
    ]
    return journal, parents, children


def _name(leg: list[Any]) -> str:
    return f"{leg[0]}{leg[2]} {leg[3]}"


def _leg(leg: list[Any]) -> str:
    return f"{leg[1]} {_name(leg)}"


@pytest.mark.parametrize("name", NAMES)
def test_rule_20_recorded_case(name: str) -> None:
    cases = expected("scenarios/own_rolls.json")["scenarios"]
    (case,) = [case for case in cases if case["id"] == name]
    journal, parents, children = build(case)
    built = journal.build()
    found = [(parents.index(r.parent), children.index(r.child)) for r in built.rolls]
    if "pairs" in case:
        assert sorted(found) == [tuple(pair) for pair in case["pairs"]]
    rolled = sum((roll.quantity for roll in built.rolls), Decimal(0))
    if "rolled_quantity" in case:
        assert rolled == case["rolled_quantity"]
    if "new_quantity" in case:
        assert sum(abs(leg[1]) for leg in case["open"]) - rolled == case["new_quantity"]
    if built.rolls:
        assert all(roll.is_inferred == case.get("inferred", False) for roll in built.rolls)
    if "trades" in case:
        assert len(built.trades) == case["trades"]
        assert built.trades[0].open_words == "Iron condor"
    if "chains" in case:
        assert len({trade.chain for trade in built.trades}) == case["chains"]
    if "joins_already_open" in case:
        old, sibling, new = built.trades
        assert new.chain == old.chain != sibling.chain


def test_twice_in_a_day_is_one_chain_of_three() -> None:
    journal = Journal()
    journal.order("o1", "-1 P90 2026-07-17", day=-7)
    journal.order("o2", "1 P90 2026-07-17", "-1 P90 2026-08-21")
    journal.order("o3", "1 P90 2026-08-21", "-1 P90 2026-09-18", minute=200)
    built = journal.build()
    assert [(roll.parent, roll.child) for roll in built.rolls] == [(1, 3), (3, 5)]
    assert [trade.chain for trade in built.trades] == [1, 1, 1]


def test_trades_of_a_chain_add_up_to_its_lots() -> None:
    journal = Journal()
    journal.fill(-5, "P90 2026-07-17", order="o1", price="3", day=-7)
    journal.fill(5, "P90 2026-07-17", order="o2", price="1.25")
    journal.fill(-3, "P90 2026-08-21", order="o2", price="2")
    journal.fill(-2, "P90 2026-09-18", order="o2", price="2.5")
    journal.fill(3, "P90 2026-08-21", order="o3", price="3", day=9)
    built = journal.build()
    assert {trade.chain for trade in built.trades} == {1}
    net = sum((part.net or 0 for trade in built.trades for part in trade.parts), Decimal(0))
    assert net == Decimal("875") - Decimal("300")


def test_lineage_never_turns_back() -> None:
    """Two lots opened and closed in one session: the later cannot be the parent of the earlier."""
    journal = Journal()
    journal.order("o1", "-1 P90 2026-03-02")
    journal.order("o2", "-1 P89 2026-03-02", minute=5)
    journal.order("o3", "1 P90 2026-03-02", minute=10)
    journal.order("o4", "1 P89 2026-03-02", minute=15)
    assert [(roll.parent, roll.child) for roll in journal.build().rolls] == [(1, 2)]


def test_same_contract_opened_again_is_no_roll() -> None:
    journal = Journal()
    journal.order("o1", "-1 P90 2026-04-17", day=-3)
    journal.order("o2", "1 P90 2026-04-17")
    journal.order("o3", "-1 P90 2026-04-17", minute=30)
    assert journal.build().rolls == []


def chains(journal: Journal) -> dict[int, tuple[Decimal, Decimal]]:
    """Return quantity of the links and profit of each chain, by its first opening."""
    built = journal.build()
    openings = [opening for trade in built.trades for opening in trade.group.openings]
    found: dict[int, tuple[Decimal, Decimal]] = {}
    for link in link_lots(openings, built.rolls):
        quantity, net = found.get(link.chain, (Decimal(0), Decimal(0)))
        found[link.chain] = quantity + abs(link.quantity), net + (link.net or Decimal(0))
    lots = sum((part.net or 0 for o in openings for part in o.parts), Decimal(0))
    assert sum(net for _, net in found.values()) == lots
    return found


def test_rule_20_new_business_of_a_roll_is_a_chain_of_its_own() -> None:
    journal = Journal()
    journal.fill(-3, "C43 2026-05-08", order="o1", price="2", day=-7)
    journal.fill(3, "C43 2026-05-08", order="o2", price="1")
    journal.fill(-5, "C44 2026-05-15", order="o2", price="2")
    journal.fill(5, "C44 2026-05-15", order="o3", price="1", day=5)
    (old, rolled), (new, fresh) = chains(journal).values()
    assert [old, rolled, new, fresh] == [6, 600, 2, 200]


def test_rule_20_branches_and_merges_add_up() -> None:
    journal = Journal()
    journal.fill(-3, "P90 2026-07-17", order="o1", price="3", day=-7)
    journal.fill(-2, "P91 2026-07-17", order="o1b", price="3", day=-6)
    journal.fill(3, "P90 2026-07-17", order="o2", price="1")
    journal.fill(2, "P91 2026-07-17", order="o2", price="1")
    journal.fill(-4, "P88 2026-08-21", order="o2", price="2")
    journal.fill(-1, "P88 2026-09-18", order="o2", price="2")
    journal.fill(4, "P88 2026-08-21", order="o3", price="1.3", day=9)
    found = chains(journal)
    assert sum(quantity for quantity, _ in found.values()) == 10


def test_payoff_bends_at_the_strikes() -> None:
    short, long = (
        PayoffLeg(quantity=Decimal(q), multiplier=Decimal(100), price=Decimal(p),
                  strike=Decimal(k), right=Right.PUT)
        for q, p, k in ((-1, 3, 90), (1, 1, 85))
    )  # fmt: skip
    prices = payoff_prices([short, long], 101.5)
    assert Decimal("101.5") in prices
    points = dict(zip(prices, payoff_at([short, long], prices), strict=True))
    assert [points[Decimal(90)], points[Decimal(85)]] == [200, -300]
    assert [max(points.values()), min(points.values())] == [200, -300]
    assert payoff_prices([]) == []
