"""Signals tied to trades: by reference, by window, by hand; for good."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client

from portfolio.models import Account
from tests.factories import AccountFactory, UserFactory
from tests.trades.strategies.test_store import AT, CONTRACTS, fill, record
from trades.annotations.writing import merge_trades
from trades.models import SignalSource, Trade, TradeSignal
from trades.strategies.store import rebuild_account_trades
from trades.trade_signals.following import follow_signals
from trades.trade_signals.receiving import enter_signal
from trades.trade_signals.sources import source_by_hand

pytestmark = pytest.mark.django_db
PUT, LOW, CALL, STOCK, NEW = CONTRACTS


@pytest.fixture
def account() -> Account:
    return AccountFactory.create(account_id="U1", account_number="U1", broker="IBKR")


@pytest.fixture
def source(account: Account) -> SignalSource:
    return source_by_hand(account.owner)


def signal(source: SignalSource, minute: int = 0, **values: Any) -> TradeSignal:
    sent = {"symbol": "XYZ", "direction": "long"} | values
    with time_machine.travel(AT + timedelta(minutes=minute), tick=False):
        return enter_signal(user=source.owner, source=source, values=sent)


def follow(minute: int) -> None:
    with time_machine.travel(AT + timedelta(minutes=minute), tick=False):
        follow_signals()


def steps(found: TradeSignal) -> list[str]:
    found.refresh_from_db()
    return list(found.changes.values_list("after", flat=True))


def test_reference_of_the_order_goes_before_the_window(source: SignalSource) -> None:
    near = signal(source, 9)
    named = signal(source, 0, order_reference="strategy-7", direction="short")
    legs = [{"symbol": PUT.symbol, "quantity": -1}, {"symbol": LOW.symbol, "quantity": 1}]
    spread = signal(source, 0, legs=legs)
    record(
        fill(10, -1, order_id="o1", raw={"order_ref": "strategy-7"}),
        fill(20, -1, order_id="o2", contract=STOCK),
        fill(25, -2, order_id="o3"),
        fill(25, 2, order_id="o3", contract=LOW, broker_execution_id="00aa.01.01"),
    )
    follow(30)
    put, stock, vertical = Trade.objects.order_by("opened_at")
    for found, trade, how in ((named, put, "order"), (spread, vertical, "window")):
        found.refresh_from_db()
        assert (found.opening_id, found.tied_by) == (trade.key, how)
        assert steps(found) == ["queued", "active", "executed"]
    # Short stock is not long, and the other two trades follow other signals.
    assert steps(near) == ["queued"]
    assert stock.key not in TradeSignal.objects.values_list("opening", flat=True)


def test_tie_outlives_a_rebuild_and_a_merge(source: SignalSource, account: Account) -> None:
    found = signal(source)
    record(fill(5, -1, order_id="a"), fill(3000, -1, order_id="b", contract=LOW))
    follow(10)
    first, second = Trade.objects.order_by("opened_at")
    rebuild_account_trades(account)
    merge_trades(user=account.owner, trades=[second, first])
    found.refresh_from_db()
    assert found.opening_id == first.key
    client = Client()
    client.force_login(account.owner)
    row = client.get(f"/trades/signals/{found.pk}").context["row"]
    assert row.trade.key == Trade.objects.get().key


def test_tie_ends_when_older_history_shows_that_the_fill_closed(source: SignalSource) -> None:
    found, by_hand = signal(source), signal(source, 20)
    record(fill(5, -1, order_id="a"), fill(30, -1, order_id="c", contract=LOW))
    follow(31)
    assert steps(found)[-1] == steps(by_hand)[-1] == "executed"
    TradeSignal.objects.filter(pk=by_hand.pk).update(tied_by="hand")
    # The statement of the year before comes later: both contracts were held.
    record(
        fill(-9, 1, order_id="b", broker_execution_id="aaaa.01.01"),
        fill(-9, 1, order_id="d", broker_execution_id="bbbb.01.01", contract=LOW),
    )
    follow(32)
    assert steps(found) == ["queued", "active", "executed", "active"]
    assert (found.opening_id, found.tied_by) == (None, "")
    changed = found.changes.last()
    assert changed is not None
    assert "opens no trade" in changed.reason
    # What was said by hand stays.
    assert steps(by_hand)[-1] == "executed"
    # Within its window a real opening follows it after all.
    record(fill(40, -1, order_id="e", broker_execution_id="cccc.01.01"))
    follow(41)
    assert steps(found)[-1] == "executed"
    assert found.opening_id == Trade.objects.order_by("-opened_at")[0].key


def test_expired_signal_is_executed_if_its_fill_is_told_late(source: SignalSource) -> None:
    ends = (AT + timedelta(minutes=20)).isoformat()
    told_late, too_late = signal(source, expires_at=ends), signal(source, expires_at=ends)
    follow(21)
    assert steps(told_late) == ["queued", "expired"]
    record(fill(10, -1, order_id="a"), fill(40, -1, order_id="b", contract=LOW))
    follow(60)
    assert sorted([steps(told_late), steps(too_late)]) == [
        ["queued", "expired"],
        ["queued", "expired", "executed"],
    ]


def test_hand_ties_and_unties_and_the_desk_leaves_it_so(
    source: SignalSource, client: Client
) -> None:
    client.force_login(source.owner)
    found = signal(source, direction="short")
    record(fill(5, -1, order_id="a"))
    follow(10)
    assert steps(found) == ["queued"]
    trade = Trade.objects.get()
    address = f"/trades/signals/{found.pk}/change"
    client.post(address, {"action": "tie", "trade": trade.key})
    assert steps(found) == ["queued", "active", "executed"]
    assert (found.opening_id, found.tied_by) == (trade.key, "hand")
    client.post(address, {"action": "untie"})
    follow(11)
    assert steps(found)[-1] == "active"
    assert (found.opening_id, found.tied_by) == (None, "hand")
    stranger = Client()
    stranger.force_login(UserFactory.create())
    assert stranger.post(address, {"action": "tie", "trade": trade.key}).status_code == 404


def test_cancelled_signal_is_never_tied(source: SignalSource, client: Client) -> None:
    client.force_login(source.owner)
    found = signal(source)
    address = f"/trades/signals/{found.pk}/change"
    client.post(address, {"action": "cancel"})
    record(fill(5, -1, order_id="a", price=Decimal(3)))
    follow(10)
    client.post(address, {"action": "tie", "trade": Trade.objects.get().key})
    assert steps(found) == ["queued", "cancelled"]
    assert found.opening_id is None
