"""Messages: claimed, sent once to a real receiver, retried, dropped; workers that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.fixtures import Settings

from auth_tokens.broker_tokens.key_rotation import rotate_token_keys
from auth_tokens.models import User
from config.core.clock import now
from greeks.alerts import events
from greeks.alerts.sending import delivery as alert_delivery
from greeks.alerts.sending.channels import create_alert_channel, rotate_alert_channels
from greeks.alerts.sending.delivery import (
    close_abandoned_deliveries,
    deliver_alert,
    due_deliveries,
)
from greeks.alerts.system_events import report_silent_chains, report_token_failures
from greeks.models import AlertChannel, AlertDelivery, AlertEvent
from tests.factories import UserFactory
from tests.greeks.alerts.receiver import Receiver

pytestmark = [pytest.mark.django_db, pytest.mark.database]

State = AlertDelivery.State
OLD_KEY = "YW4tb2xkLWtleS10aGF0LW9wZW5zLW5vdGhpbmctLS0="  # pragma: allowlist secret
NEW_KEY = "dGVzdHMtb25seS1rZXktdGhhdC1vcGVucy1ub3RoaW4="  # pragma: allowlist secret


def message(user: User, receiver: Receiver, **fields: Any) -> AlertDelivery:
    """Return a message that waits to be sent to the receiver."""
    channel = AlertChannel.objects.filter(user=user).first() or create_alert_channel(
        user=user, name="hook", address=receiver.address
    )
    event = AlertEvent.objects.create(
        user=user, minute=now(), title="NIFTY 50: spot above 100", text="101.00"
    )
    return AlertDelivery.objects.create(event=event, channel=channel, due_at=now(), **fields)


def test_due_message_is_sent_once(trader: User, receiver: Receiver) -> None:
    waiting = message(trader, receiver)
    assert due_deliveries() == [waiting.pk]
    assert deliver_alert(delivery_id=waiting.pk) is State.SENT
    assert deliver_alert(delivery_id=waiting.pk) is None
    assert due_deliveries() == []
    assert [each["message"] for each in receiver.messages] == ["101.00"]
    waiting.refresh_from_db()
    assert (waiting.state, waiting.attempts, waiting.error) == (State.SENT, 1, "")
    assert waiting.channel.last_error == ""


def test_failure_is_tried_three_times_and_then_given_up(
    trader: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_delivery, "RETRY_SECONDS", (0, 0))
    receiver.statuses = [500, 503, 502]
    waiting = message(trader, receiver)
    outcomes = [deliver_alert(delivery_id=waiting.pk) for _ in range(4)]
    assert outcomes == [State.WAITING, State.WAITING, State.FAILED, None]
    waiting.refresh_from_db()
    assert waiting.error == "The receiver answered with 502."
    channel = AlertChannel.objects.get()
    assert (channel.failures, channel.last_error) == (3, "The receiver answered with 502.")


def test_message_waits_before_it_is_tried_again(trader: User, receiver: Receiver) -> None:
    receiver.statuses = [500]
    waiting = message(trader, receiver)
    assert deliver_alert(delivery_id=waiting.pk) is State.WAITING
    assert deliver_alert(delivery_id=waiting.pk) is None
    assert due_deliveries() == []


def test_refusal_is_final(trader: User, receiver: Receiver) -> None:
    receiver.statuses = [401]
    assert deliver_alert(delivery_id=message(trader, receiver).pk) is State.FAILED
    assert len(receiver.messages) == 1


def test_channel_that_takes_nothing_is_switched_off(
    trader: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_delivery, "MOST_FAILURES", 2)
    receiver.statuses = [401, 401]
    for _ in range(3):
        deliver_alert(delivery_id=message(trader, receiver).pk)
    channel = AlertChannel.objects.get()
    assert not channel.enabled
    assert channel.last_error == (
        "Switched off after 2 failures in a row. The receiver answered with 401."
    )
    assert len(receiver.messages) == 2


def test_success_forgets_earlier_failures(trader: User, receiver: Receiver) -> None:
    receiver.statuses = [401]
    deliver_alert(delivery_id=message(trader, receiver).pk)
    deliver_alert(delivery_id=message(trader, receiver).pk)
    channel = AlertChannel.objects.get()
    assert (channel.failures, channel.last_error) == (0, "")


def test_message_that_is_too_late_is_not_sent(trader: User, receiver: Receiver) -> None:
    waiting = message(trader, receiver)
    AlertEvent.objects.update(created_at=now() - timedelta(hours=2))
    assert deliver_alert(delivery_id=waiting.pk) is State.FAILED
    assert receiver.messages == []


def test_address_is_stored_encrypted_and_follows_a_new_key(
    trader: User, receiver: Receiver, settings: Settings
) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [OLD_KEY]
    waiting = message(trader, receiver)
    stored = AlertChannel.objects.get().address_encrypted
    assert "canary" not in stored
    settings.TOKEN_ENCRYPTION_KEYS = [NEW_KEY, OLD_KEY]
    rotate_token_keys()
    assert AlertChannel.objects.get().address_encrypted != stored
    assert rotate_alert_channels() == 0
    settings.TOKEN_ENCRYPTION_KEYS = [NEW_KEY]
    assert deliver_alert(delivery_id=waiting.pk) is State.SENT


def test_address_that_no_key_opens_is_said_so(
    trader: User, receiver: Receiver, settings: Settings
) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [OLD_KEY]
    waiting = message(trader, receiver)
    settings.TOKEN_ENCRYPTION_KEYS = [NEW_KEY]
    assert rotate_alert_channels() == 0
    assert deliver_alert(delivery_id=waiting.pk) is State.FAILED
    waiting.refresh_from_db()
    assert "enter it again" in waiting.error


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_sends(trader: User, receiver: Receiver) -> None:
    waiting = message(trader, receiver)

    def work(_: int) -> State | None:
        try:
            return deliver_alert(delivery_id=waiting.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=4) as workers:
        outcomes = list(workers.map(work, range(4)))
    assert outcomes.count(State.SENT) == 1
    assert outcomes.count(None) == 3
    assert len(receiver.messages) == 1


WORKER = """
import sys
import django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
settings.ALERT_SCHEMAS = ["json"]
settings.ALERT_PRIVATE_ADDRESSES = True
django.setup()
from greeks.alerts.sending.delivery import deliver_alert
deliver_alert(delivery_id=int(sys.argv[2]))
"""


@pytest.fixture
def worker() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait(10)


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_worker_killed_while_sending_leaves_a_message_that_nobody_sends_again(
    trader: User, receiver: Receiver, worker: list[subprocess.Popen[bytes]]
) -> None:
    waiting = message(trader, receiver)
    receiver.waits.clear()
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(connection.settings_dict["NAME"]), str(waiting.pk)],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
    )
    worker.append(process)
    receiver.wait_for_message(60)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    waiting.refresh_from_db()
    assert (waiting.state, close_abandoned_deliveries()) == (State.SENDING, 0)
    AlertDelivery.objects.update(claimed_at=now() - timedelta(minutes=3))
    assert close_abandoned_deliveries() == 1
    waiting.refresh_from_db()
    assert (waiting.state, due_deliveries()) == (State.UNKNOWN, [])
    assert deliver_alert(delivery_id=waiting.pk) is None
    assert len(receiver.messages) == 1


def test_message_whose_task_was_lost_is_found_by_the_sweep(
    trader: User, receiver: Receiver
) -> None:
    waiting = message(trader, receiver)
    assert [deliver_alert(delivery_id=each) for each in due_deliveries()] == [State.SENT]
    waiting.refresh_from_db()
    assert waiting.sent_at is not None


# --- Of the desk's own -----------------------------------------------------------------------
def test_failed_token_is_told_to_staff_once_an_hour(
    receiver: Receiver,
    trader: User,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with_channel, without = UserFactory.create(is_staff=True), UserFactory.create(is_staff=True)
    create_alert_channel(user=with_channel, name="hook", address=receiver.address)
    asked: list[int] = []

    def enqueue(_: str, arguments: dict[str, int], **__: object) -> None:
        asked.append(arguments["delivery_id"])

    monkeypatch.setattr(events, "enqueue", enqueue)
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(3):
            report_token_failures(
                provider="upstox", message="password=canary-4711 was refused", stopped=True
            )
    raised = AlertEvent.objects.all()
    assert {event.user for event in raised} == {with_channel, without}
    assert len(raised) == 2
    assert raised[0].title == "The token of upstox could not be renewed"
    assert "canary" not in raised[0].text
    assert [deliver_alert(delivery_id=each) for each in asked] == [State.SENT]


def test_quiet_desk_without_sessions_reports_nothing(db: None) -> None:
    assert report_silent_chains() == []
