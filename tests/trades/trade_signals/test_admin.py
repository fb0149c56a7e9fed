"""Signals in the admin: entered, moved on, seen by their owner only; and the demo's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from tests.factories import AccountFactory, UserFactory
from tests.trades.strategies.test_store import CONTRACTS, fill, record
from trades.models import ExitRule, ShadowPosition, Trade, TradeSignal
from trades.tasks import follow_signals_task
from trades.trade_signals.dashboard.sections import queued_signals, shadow_positions
from trades.trade_signals.performance import source_performance
from trades.trade_signals.sources import create_source

pytestmark = pytest.mark.django_db
ADDRESS = "/admin/trades/tradesignal/"


def test_signal_is_entered_and_moved_on_in_the_admin(client: Client) -> None:
    staff = UserFactory.create(is_staff=True, is_superuser=True)
    source = create_source(user=staff, name="Desk").source
    client.force_login(staff)
    typed = {"source": source.pk, "symbol": "SPY", "direction": "long", "quantity": "2"}
    refused = client.post(f"{ADDRESS}add/", typed | {"symbol": "/ESZ6"})
    assert refused.status_code == 200
    assert "No contract of this symbol" in str(refused.context["adminform"].form.errors)
    client.post(f"{ADDRESS}add/", typed)
    signal = TradeSignal.objects.get()
    assert (signal.symbol, signal.quantity, signal.legs.get().quantity) == ("SPY", 2, 2)
    chosen = {"_selected_action": [signal.pk]}
    for action, status in (
        ("take_up", "active"),
        ("cancel", "cancelled"),
        ("take_up", "cancelled"),
    ):
        client.post(ADDRESS, chosen | {"action": action})
        signal.refresh_from_db()
        assert signal.status == status
    assert client.get(f"{ADDRESS}{signal.pk}/change/").status_code == 200
    for name in ("signalsource", "shadowposition", "exitrule", "exitsignal"):
        assert client.get(f"/admin/trades/{name}/").status_code == 200


def test_demo_has_sources_signals_and_rules_once(settings: Any) -> None:
    settings.DEMO = True
    account = AccountFactory.create(
        account_id="U1", account_number="U1", broker="IBKR", simulated=True
    )
    for number in range(6):
        start = 3000 * number
        contract = CONTRACTS[number % 3]
        record(fill(start + 1, -1, order_id=f"a{number}", contract=contract))
        if number < 4:
            record(fill(start + 50, 1, order_id=f"b{number}", contract=contract))
    assert Trade.objects.count() == 6
    for _ in range(2):
        follow_signals_task()
    assert TradeSignal.objects.count() == 8
    assert len(queued_signals(account.owner)) == 2
    assert ExitRule.objects.filter(owner=account.owner).count() == 4
    closed = ShadowPosition.objects.filter(status="closed", pnl__isnull=False)
    assert closed.count() >= 4
    assert len(shadow_positions(account.owner)) <= 2
    first = Trade.objects.order_by("opened_at").first()
    assert first is not None
    assert first.opened_at is not None
    day = first.opened_at.date()
    found = source_performance(account.owner, start=day, end=day + timedelta(days=40))
    assert sum(each.trades for each in found) == 4
