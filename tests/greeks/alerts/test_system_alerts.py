"""Alerts to staff about the desk itself, and the tasks that raise them."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine

from auth_tokens.signals import token_failed
from config.core.redis.locks import subject_lock
from greeks.alerts.system_events import report_silent_chains
from greeks.calendar.seeding import seed_exchange_sessions
from greeks.models import AlertEvent
from greeks.signals import minute_closed
from greeks.tasks import alerts as tasks
from tests.factories import UserFactory
from tests.greeks.alerts.rows import EXPIRY, make_rule, minute, nifty, store_minute

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def enqueued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What would go to the queue, by task and arguments."""
    asked: list[tuple[str, dict[str, Any]]] = []

    def enqueue(task: Any, arguments: dict[str, Any], **_: Any) -> None:
        asked.append((task.name, arguments))

    monkeypatch.setattr(tasks, "enqueue", enqueue)
    return asked


@pytest.fixture
def _session(db: None) -> None:
    seed_exchange_sessions(exchange="NSE", from_year=2026, to_year=2026)
    UserFactory.create(is_staff=True)
    nifty()


@pytest.mark.usefixtures("_session")
def test_chain_without_samples_in_session_is_told_once() -> None:
    store_minute(5, 100.0)
    for at in (minute(1), minute(6), minute(8)):
        with time_machine.travel(at, tick=False):
            assert report_silent_chains() == []
    with time_machine.travel(minute(10), tick=False):
        (event,) = report_silent_chains()
        assert report_silent_chains() == []
    assert event.title == "NIFTY 50: no samples in session"
    assert "for 3 minutes for the expiries 1 Dec 26" in event.text
    with time_machine.travel(minute(71), tick=False):
        assert len(report_silent_chains()) == 1


@pytest.mark.usefixtures("_session")
def test_closed_market_and_disabled_instruments_are_not_silent() -> None:
    with time_machine.travel(minute(-30), tick=False):
        assert report_silent_chains() == []
    nifty(enabled=False)
    with time_machine.travel(minute(30), tick=False):
        assert report_silent_chains() == []


@pytest.mark.usefixtures("_session")
def test_instrument_without_a_listed_expiry_is_told_of() -> None:
    nifty(listed_expiries=[])
    with time_machine.travel(minute(10), tick=False):
        (event,) = report_silent_chains()
    assert event.text == "upstox lists no expiry to poll."


def test_failed_token_is_told_by_its_signal(db: None) -> None:
    UserFactory.create(is_staff=True)
    token_failed.send(
        None, provider="upstox", code="wrong_pin", message="The PIN was refused.", stopped=True
    )
    event = AlertEvent.objects.get()
    assert event.kind == AlertEvent.Kind.SYSTEM
    assert event.text == (
        "The PIN was refused. The desk will not retry until somebody acts: see System."
    )


def test_closed_minute_is_evaluated_by_a_worker(
    enqueued: list[tuple[str, dict[str, Any]]], db: None
) -> None:
    make_rule(UserFactory.create())
    store_minute(0, 101.0)
    minute_closed.send(None, slug="nifty", expiry=EXPIRY, minute=minute(0))
    ((name, arguments),) = enqueued
    assert name == "greeks.evaluate_alerts"
    with time_machine.travel(minute(1), tick=False):
        tasks.evaluate_alerts_task(**arguments)
    assert AlertEvent.objects.count() == 1


def test_evaluation_that_finds_another_at_work_comes_after_it(
    enqueued: list[tuple[str, dict[str, Any]]], db: None
) -> None:
    arguments = {
        "slug": "nifty",
        "expiry": EXPIRY.isoformat(),
        "minute": minute(0).isoformat(),
    }
    subject = f"task:greeks.evaluate_alerts:alerts.nifty.{EXPIRY.isoformat()}"
    with subject_lock(subject, seconds=5):
        tasks.evaluate_alerts_task(**arguments)
    assert enqueued == [("greeks.evaluate_alerts", arguments)]


def test_sweep_asks_for_messages_that_wait(
    enqueued: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    monkeypatch.setattr(tasks, "due_deliveries", lambda: [7])
    tasks.sweep_alerts_task()
    assert enqueued == [("greeks.deliver_alert", {"delivery_id": 7})]
    tasks.deliver_alert_task(7)
