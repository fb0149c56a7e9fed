"""When tokens are renewed: 03:30 and 08:55 in India, closed nights, missed runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import ModelEntry

from auth_tokens import tasks
from auth_tokens.broker_log_ins import upstox_source
from auth_tokens.broker_log_ins.upstox_source import UpstoxTokenSource, next_end
from auth_tokens.broker_tokens.manager import ensure_valid, get_token, renew_token
from auth_tokens.broker_tokens.sources import Attempt, ObtainedToken
from auth_tokens.models import BrokerToken, TokenEvent
from config.celery import app
from config.core.background.beat_schedule import write_schedule
from config.core.clock import now
from config.core.errors import ProviderClosed
from config.schedule import beat_schedule
from tests.auth_tokens.sources import PROVIDER, ScriptedSource
from tests.auth_tokens.upstox_site import CREDENTIALS

pytestmark = pytest.mark.django_db(transaction=True)
INDIA = ZoneInfo("Asia/Kolkata")


def india(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=INDIA)


@pytest.fixture
def log_ins(settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """When Upstox's source logged in; the browser is left out."""
    for name, value in CREDENTIALS.items():
        setattr(settings, name, value)
    made: list[datetime] = []

    def log_in(self: UpstoxTokenSource, attempt: Attempt) -> ObtainedToken:
        made.append(now().astimezone(INDIA))
        return ObtainedToken(
            text=f"day-{len(made)}", expires_at=next_end(now()), source=upstox_source.BROWSER
        )

    monkeypatch.setattr(UpstoxTokenSource, "_logged_in", log_in)
    return made


@pytest.mark.parametrize(
    ("obtained", "ends"),
    [
        (india(27, 20, 0), india(28, 3, 30)),
        (india(27, 2, 30), india(27, 3, 30)),
        (india(27, 3, 30), india(28, 3, 30)),
        (india(27, 8, 55), india(28, 3, 30)),
    ],
)
def test_token_ends_at_the_next_half_past_three_in_india(
    obtained: datetime, ends: datetime
) -> None:
    assert next_end(obtained.astimezone(UTC)) == ends


def test_day_of_looks_every_five_minutes_logs_in_at_opening_and_at_five_to_nine(
    log_ins: list[datetime],
) -> None:
    with time_machine.travel(india(26, 20), tick=False) as clock:
        while now() < india(28, 2):
            try:
                ensure_valid("upstox")
            except ProviderClosed:
                assert now().astimezone(INDIA).hour < 6
            clock.shift(timedelta(minutes=5))

    assert log_ins == [india(26, 20), india(27, 5, 30), india(27, 8, 55)]


@pytest.mark.parametrize(
    ("back_at", "renewed"),
    [(india(27, 10), True), (india(27, 15, 29), True), (india(27, 16), False)],
)
def test_missed_morning_run_is_made_up_while_the_session_lasts(
    log_ins: list[datetime], back_at: datetime, renewed: bool
) -> None:
    with time_machine.travel(india(27, 6), tick=False) as clock:
        get_token("upstox")
        clock.move_to(back_at)
        assert ensure_valid("upstox") is renewed
        assert ensure_valid("upstox") is False


def test_missed_morning_run_is_not_made_before_dawn_of_the_next_day(
    log_ins: list[datetime],
) -> None:
    with time_machine.travel(india(27, 8, 56), tick=False) as clock:
        get_token("upstox")
        clock.move_to(india(28, 6, 30))
        ensure_valid("upstox")
        clock.shift(timedelta(minutes=5))
        assert ensure_valid("upstox") is False
    assert log_ins == [india(27, 8, 56), india(28, 6, 30)]


def test_analytics_token_needs_no_log_in_and_never_ends(
    log_ins: list[datetime], settings: Any
) -> None:
    settings.UPSTOX_ANALYTICS_TOKEN = "analytics-of-a-year"
    with time_machine.travel(india(27, 2), tick=False) as clock:
        for _ in range(3):
            assert get_token("upstox") == "analytics-of-a-year"
            ensure_valid("upstox")
            clock.shift(timedelta(hours=8))
    assert log_ins == []
    assert not TokenEvent.objects.filter(event="log_in.started").exists()


def test_refused_analytics_token_stops_until_it_is_replaced(
    log_ins: list[datetime], settings: Any
) -> None:
    settings.UPSTOX_ANALYTICS_TOKEN = "analytics-of-last-year"
    token = get_token("upstox")
    for _ in range(2):
        with pytest.raises(Exception, match="analytics token"):
            renew_token("upstox", refused=token)
    settings.UPSTOX_ANALYTICS_TOKEN = "analytics-of-this-year"
    assert get_token("upstox") == "analytics-of-this-year"


def test_job_of_the_morning_is_due_at_its_minute_in_india_and_not_when_long_past() -> None:
    PeriodicTask.objects.all().delete()
    write_schedule(beat_schedule(sync_seconds=30))
    job = PeriodicTask.objects.get(name="Renew the day's tokens")
    assert str(job.crontab.timezone) == "Asia/Kolkata"
    job.last_run_at = india(26, 8, 55)

    def is_due(at: datetime) -> bool:
        with time_machine.travel(at, tick=False):
            return bool(ModelEntry(job, app=app).is_due().is_due)

    assert not is_due(india(27, 8, 54))
    assert is_due(india(27, 8, 55))
    assert is_due(india(27, 9, 0))
    assert not is_due(india(28, 6, 30))


def test_task_looks_after_configured_providers_only(
    source: ScriptedSource, log_ins: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(tasks.ensure_token_task, "delay", asked.append)
    tasks.ensure_tokens_task()
    assert {PROVIDER, "upstox"} <= set(asked)

    source.configured = False
    asked.clear()
    tasks.ensure_tokens_task()
    assert PROVIDER not in asked


def test_task_of_a_failing_token_ends_quietly_and_says_so_in_the_row(
    source: ScriptedSource,
) -> None:
    source.error = ProviderClosed("closed", provider=PROVIDER, retry_after=60.0)
    tasks.ensure_token_task(PROVIDER)
    assert BrokerToken.objects.get(provider=PROVIDER).last_error == "closed"
