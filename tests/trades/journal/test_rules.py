"""Sentences of the journal's rules that no other test holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import Sum

from greeks.domain import Deliverable
from greeks.models import Instrument
from portfolio.domain import ExecutionKind
from portfolio.models import Account
from tests.trades.files import account_at
from tests.trades.strategies.test_store import AT, fill, option, record, stock
from trades.annotations.writing import add_note, merge_trades, set_review, set_tags, split_trade
from trades.models import Trade, TradeExecution, TradeLot, TradeRoll

pytestmark = pytest.mark.django_db
PUT = replace(option(50), aliases={"ibkr": "4321"})


@pytest.fixture
def account() -> Account:
    return account_at("IBKR", "U1")


def test_rule_7_adjusted_contract_is_paid_by_its_multiplier_and_delivers_less(
    account: Account,
) -> None:
    """Ten shares a contract: the premium counts a hundredfold, the assignment brings ten."""
    told = Deliverable(shares=Decimal(10))
    renamed = replace(PUT, symbol="XYZ1  260116P00050000", root="XYZ1", deliverable=told)
    gone = {"kind": ExecutionKind.ASSIGNMENT, "price": Decimal(0), "commission": Decimal(0)}
    record(fill(1, -2, contract=PUT, price=Decimal(3), commission=Decimal(0)))
    record(
        fill(2, 1, contract=renamed, price=Decimal(1), commission=Decimal(0)),
        fill(3, 1, contract=renamed, **gone),
        fill(4, 10, contract=stock("XYZ"), kind=ExecutionKind.DELIVERY, price=Decimal(500),
             commission=Decimal(0), execution_time=AT + timedelta(minutes=3)),
    )  # fmt: skip
    known = Instrument.objects.get(kind="option")
    assert (known.multiplier, known.is_adjusted, known.deliverable_shares) == (100, True, 10)
    closed = TradeLot.objects.filter(closed_at__isnull=False).order_by("net")
    assert list(closed.values_list("net", flat=True)) == [200, 300]
    (shares,) = TradeLot.objects.filter(closed_at=None)
    assert (shares.quantity, shares.open_price) == (10, 500)
    # One trade: the shares are those that the option delivered.
    assert Trade.objects.get().legs.count() == 2


def test_rule_7_new_root_alone_says_that_what_is_delivered_is_not_known(account: Account) -> None:
    renamed = replace(PUT, symbol="XYZ1  260116P00050000", root="XYZ1")
    record(fill(1, -2, contract=PUT))
    record(fill(2, 1, contract=renamed))
    # A row under the old name takes nothing back.
    record(fill(3, 1, contract=PUT))
    known = Instrument.objects.get()
    assert (known.root, known.is_adjusted, known.deliverable_shares) == ("", True, None)
    assert TradeLot.objects.filter(closed_at__isnull=False).count() == 2


@pytest.mark.parametrize("kind", ["split", "symbol_change", "merger"])
def test_rule_10_what_carries_lots_is_no_profit_no_trade_and_no_roll(
    account: Account, kind: str
) -> None:
    moved: dict[str, Any] = {
        "kind": ExecutionKind(kind),
        "price": None,
        "commission": None,
        "execution_time": AT + timedelta(minutes=9),
    }
    record(
        fill(1, 4, contract=stock("OLD")),
        fill(2, -4, contract=stock("OLD"), **moved),
        fill(3, 2, contract=stock("NEW"), **moved),
    )
    (lot,) = TradeLot.objects.all()
    basis = (lot.quantity, lot.open_price, lot.open_costs, lot.net, lot.opened_at)
    assert basis == (2, 22, Decimal("1.01"), None, AT + timedelta(minutes=1))
    assert (Trade.objects.get().opened_at, TradeRoll.objects.count()) == (lot.opened_at, 0)


def test_rule_22_no_edit_resync_or_rebuild_touches_a_fill_or_a_result(account: Account) -> None:
    """A time to the microsecond is what a form would cut."""
    odd = {"execution_time": AT + timedelta(minutes=1, microseconds=123_457)}
    rows = [
        fill(1, -1, contract=option(50), **odd),
        fill(2, -1, contract=option(45)),
        fill(3, 1, contract=option(50), price=Decimal("1.2345")),
    ]
    record(*rows)
    user = account.owner

    def state() -> tuple[Any, ...]:
        net = Trade.objects.aggregate(net=Sum("net"), gross=Sum("gross"), costs=Sum("costs"))
        return list(TradeExecution.objects.order_by("pk").values()), net

    before = state()
    first, second = Trade.objects.order_by("opening_id")
    add_note(user=user, trade=first, text="Too early.")
    set_tags(user=user, trade=second, names=["earnings"])
    set_review(user=user, trades=[first, second], state="reviewed")
    assert state() == before
    merge_trades(user=user, trades=[first, second])
    assert (Trade.objects.count(), state()) == (1, before)
    # The first: the other one was joined to it.
    split_trade(user=user, trade=Trade.objects.get(), keys=[first.key])
    assert (Trade.objects.count(), state()) == (2, before)
    record(*rows)
    call_command("rebuild_trades")
    assert (Trade.objects.count(), state()) == (2, before)


@pytest.mark.parametrize("taken_out", [0, 1, 2])
def test_rule_22_any_fill_leaves_a_merged_trade_and_the_others_stay(
    account: Account, taken_out: int
) -> None:
    """Two puts of one order and one by itself."""
    record(
        fill(1, -1, contract=option(50)),
        fill(2, -1, contract=option(45), order_id="a"),
        fill(3, 1, contract=option(40), order_id="a", execution_time=AT + timedelta(minutes=2)),
    )
    merge_trades(user=account.owner, trades=list(Trade.objects.all()))
    (trade,) = Trade.objects.all()
    keys = sorted(trade.fills.values_list("key", flat=True))
    gone = keys.pop(taken_out)
    split_trade(user=account.owner, trade=trade, keys=[gone])
    found = [sorted(each.fills.values_list("key", flat=True)) for each in Trade.objects.all()]
    assert sorted(found) == sorted([[gone], keys])
