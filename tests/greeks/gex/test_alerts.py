"""Alerts on zero gamma crossed and walls touched, through the rules of every other number."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from auth_tokens.models import User
from greeks.alerts.evaluation import evaluate_alerts
from greeks.models import AlertEvent, GexSnapshot
from tests.factories import UserFactory
from tests.greeks.alerts.rows import EXPIRY, SESSION_DATE, make_rule, minute, nifty, store_minute

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def trader(db: None) -> User:
    return UserFactory.create()


def snapshot(index: int, **levels: Any) -> None:
    """A snapshot at a minute: zero gamma 100, walls 110 and 90."""
    values = {"zero_gamma": 100.0, "call_wall": 110.0, "put_wall": 90.0, **levels}
    defaults = {
        "definition_version": "settlement_instant.2",
        "dealers": "long_calls_short_puts",
        "symbol": "NIFTY",
        "slot": minute(index),
        "session_date": SESSION_DATE,
        "as_of": minute(index),
        "source": "upstox",
        "packed": b"",
    }
    GexSnapshot.objects.create(**{**defaults, **values})


def close(index: int, spot: float) -> list[tuple[int, float | None]]:
    """Close a minute at a spot; return its events as minute and value."""
    store_minute(index, spot)
    with time_machine.travel(minute(index + 1), tick=False):
        events = evaluate_alerts(slug="nifty", expiry=EXPIRY, minute=minute(index)).events
    return [(index, None if each.value is None else round(each.value, 6)) for each in events]


def test_flip_crossed_fires_when_the_spot_passes_it_and_when_it_passes_the_spot(
    trader: User,
) -> None:
    make_rule(trader, metric="zero_gamma_distance", comparison="crosses", threshold=0.0)
    snapshot(0)
    raised = [
        event
        for index, spot in enumerate([99.0, 99.5, 101.0, 102.0])
        for event in close(index, spot)
    ]
    assert raised == [(2, round(100 * (1 - 100 / 101), 6))]
    snapshot(5, zero_gamma=103.0)
    assert close(4, 102.0) == []
    assert close(5, 102.0) == [(5, round(100 * (1 - 103 / 102), 6))]


def test_wall_touched_fires_before_the_next_snapshot_names_another(trader: User) -> None:
    make_rule(trader, metric="call_wall_distance", comparison="below", threshold=0.05)
    make_rule(trader, metric="put_wall_distance", comparison="below", threshold=0.05)
    snapshot(0)
    assert close(0, 109.0) == []
    assert close(1, 110.2) == [(1, round(-100 * (1 - 110 / 110.2), 6))]
    snapshot(2, call_wall=115.0)
    assert close(2, 110.2) == []
    assert close(3, 90.01) == [(3, round(100 * (1 - 90 / 90.01), 6))]


def test_missing_old_or_other_levels_never_fire(trader: User) -> None:
    make_rule(trader, metric="zero_gamma_distance", comparison="above", threshold=-99.0)
    assert close(0, 101.0) == []
    snapshot(1, zero_gamma=None)
    assert close(1, 101.0) == []
    snapshot(2, definition_version="perfiliev_262_drop_0dte.2")
    snapshot(2, dealers="short_both")
    snapshot(2, symbol="SPY")
    assert close(2, 101.0) == []
    snapshot(3)
    for index in range(3, 18):
        store_minute(index, None)
    GexSnapshot.objects.filter(slot=minute(3)).update(slot=minute(18) - timedelta(minutes=15))
    assert close(18, 101.0) == []


def test_rules_on_levels_and_on_sums_are_evaluated_together(trader: User) -> None:
    make_rule(trader, metric="zero_gamma_distance", comparison="above", threshold=0.5)
    make_rule(trader, metric="spot", comparison="above", threshold=100.5)
    snapshot(0)
    close(0, 101.0)
    assert AlertEvent.objects.count() == 2
    text = AlertEvent.objects.get(rule__metric="zero_gamma_distance")
    assert text.title == "NIFTY 50: Spot above zero gamma, % of spot above 0.500"


def test_page_prepares_the_rule_that_its_link_names(trader: User) -> None:
    nifty()
    client = Client()
    client.force_login(trader)
    crossed = client.get("/market/alerts?instrument=nifty&series=zero_gamma_distance")
    form = crossed.context["alerts"].form
    assert form.initial | {"slug": "nifty", "comparison": "crosses", "threshold": 0} == form.initial
    touched = client.get("/market/alerts?instrument=nifty&series=put_wall_distance")
    assert touched.context["alerts"].form.initial["threshold"] == 0.05
