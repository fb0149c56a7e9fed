"""Figures of sources: the statistics' own numbers, beside the shadows."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client

from portfolio.models import Account
from tests.factories import AccountFactory, UserFactory
from tests.trades.strategies.test_store import AT, CONTRACTS, fill, record
from trades.models import ShadowPosition, SignalSource, TradeSignal
from trades.trade_signals.performance import performance_scope, source_performance
from trades.trade_signals.receiving import enter_signal
from trades.trade_signals.shapes import SourcePerformance
from trades.trade_signals.sources import create_source, source_by_hand
from trades.trade_signals.ties.tying import tie_signals

pytestmark = pytest.mark.django_db
PUT, LOW, CALL, STOCK, NEW = CONTRACTS
DAYS = {"start": date(2026, 1, 1), "end": date(2026, 1, 31)}


@pytest.fixture
def account() -> Account:
    return AccountFactory.create(account_id="U1", account_number="U1", broker="IBKR")


def signal(source: SignalSource, minute: int, symbol: str, direction: str) -> TradeSignal:
    with time_machine.travel(AT + timedelta(minutes=minute), tick=False):
        values = {"symbol": symbol, "direction": direction}
        return enter_signal(user=source.owner, source=source, values=values)


def tie(minute: int = 100) -> None:
    with time_machine.travel(AT + timedelta(minutes=minute), tick=False):
        tie_signals()


def figures(account: Account) -> dict[str, SourcePerformance]:
    return {each.source: each for each in source_performance(account.owner, **DAYS)}


def statistics(client: Client, account: Account) -> dict[str, Any]:
    client.force_login(account.owner)
    days = f"start={DAYS['start']}&end={DAYS['end']}"
    measures: dict[str, Any] = client.get(f"/api/trades/statistics?{days}").json()["measures"]
    return measures


def test_trades_of_one_source_have_the_statistics_numbers(account: Account, client: Client) -> None:
    source = source_by_hand(account.owner)
    # A second word on the same trade does not count it twice.
    words = [signal(source, minute, PUT.symbol, "short") for minute in (0, 1)]
    signal(source, 3000, CALL.symbol, "long")
    record(
        fill(5, -2, order_id="a", price=Decimal(3)),
        fill(3006, 1, order_id="b", price=Decimal(2), contract=CALL),
        fill(50, 2, order_id="c", price=Decimal(1)),
        fill(3051, -1, order_id="d", price=Decimal("0.5"), contract=CALL),
    )
    tie(3100)
    tied = TradeSignal.objects.filter(pk__in=[each.pk for each in words])
    tied.update(opening=tied.exclude(opening=None).get().opening, tied_by="hand")
    found, measured = figures(account)["By hand"], statistics(client, account)
    assert (found.signals, found.taken) == (3, 3)
    assert (found.trades, found.wins, found.losses) == (2, 1, 1)
    for ours, theirs in {
        "trades": "trades",
        "wins": "wins",
        "losses": "losses",
        "win_rate": "win_rate",
        "total_pnl": "net",
        "avg_pnl": "expectancy",
        "expectancy": "expectancy",
        "expectancy_r": "expectancy_r",
    }.items():
        assert getattr(found, ours) == measured[theirs], ours


def test_edge_and_slippage_compare_the_signals_own_contracts(account: Account) -> None:
    source = source_by_hand(account.owner)
    taken, other = signal(source, 0, PUT.symbol, "short"), signal(source, 3000, "XYZ", "long")
    free = {"commission": Decimal(0)}
    record(
        fill(5, -2, order_id="a", price=Decimal("2.9"), **free),
        fill(3020, 1, order_id="b", price=Decimal(4), contract=CALL, **free),
        fill(50, 2, order_id="c", price=Decimal(1), **free),
        fill(3051, -1, order_id="d", price=Decimal(5), contract=CALL, **free),
    )
    tie(3100)
    other.refresh_from_db()
    assert other.opening_id is not None
    paper = {"entry_mid": Decimal(3), "entry_price": Decimal("2.97"), "opened_at": AT}
    ShadowPosition.objects.filter(signal=taken).update(
        status="closed", pnl=Decimal(100), closed_at=AT, close_price=Decimal(2), **paper
    )
    ShadowPosition.objects.filter(signal=other).update(status="open", pnl=Decimal(7), **paper)
    found = figures(account)["By hand"]
    # Two contracts brought 380, two shadows 200; sold 0.10 under the mid.
    assert (found.edge, found.edge_trades) == (180.0, 1)
    assert found.slippage == pytest.approx(20.0)
    assert found.slippage_trades == 1
    # The call followed a signal on the share: it counts, but is not compared.
    assert (found.trades, found.total_pnl) == (2, 480.0)
    assert (found.shadow_pnl, found.shadow_signals) == (107.0, 2)


def test_what_is_not_known_is_none(account: Account) -> None:
    create_source(user=account.owner, name="Silent")
    signal(source_by_hand(account.owner), 0, "XYZ", "long")
    for name, signals in (("Silent", 0), ("By hand", 1)):
        found = figures(account)[name]
        assert (found.signals, found.taken, found.trades) == (signals, 0, 0)
        unknown = (
            found.win_rate, found.avg_pnl, found.expectancy, found.total_pnl, found.shadow_pnl,
            found.edge, found.slippage,
        )  # fmt: skip
        assert set(unknown) == {None}


@pytest.mark.django_db(transaction=True)
def test_figures_are_private_and_cached_apart(account: Account, client: Client) -> None:
    signal(source_by_hand(account.owner), 0, "XYZ", "long")
    stranger = UserFactory.create()
    assert source_performance(stranger, **DAYS) == []
    assert performance_scope(stranger) != performance_scope(account.owner)
    client.force_login(account.owner)
    body = client.get("/api/performance/sources?start=2026-01-01&end=2026-01-31").json()
    assert [row["source"] for row in body] == ["By hand"]
    assert client.get("/api/signals/queued").json()[0]["symbol"] == "XYZ"
    client.force_login(stranger)
    assert client.get("/api/performance/sources").json() == []
    assert client.get("/api/signals/queued").json() == []
    assert client.get("/api/shadow-positions").json() == []
