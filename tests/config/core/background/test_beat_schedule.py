from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django_celery_beat.models import PeriodicTask, PeriodicTasks
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from config.celery import app
from config.core.background.beat_schedule import write_schedule
from config.core.background.job import ScheduledJob
from config.core.background.scheduler import CHANGES_SECONDS, DeskEntry, DeskScheduler
from config.core.clock import now
from config.schedule import beat_schedule

pytestmark = pytest.mark.django_db
JOBS = beat_schedule(sync_seconds=30)
NAME = JOBS[0].name


@pytest.fixture(autouse=True)
def no_jobs() -> None:
    PeriodicTask.objects.all().delete()


def test_jobs_are_written_once() -> None:
    write_schedule(JOBS)
    write_schedule(JOBS)

    assert PeriodicTask.objects.count() == len(JOBS)
    job = PeriodicTask.objects.get(name=NAME)
    assert job.task == "portfolio.sync_due_accounts"
    assert job.start_time is None
    assert (job.interval.every, job.interval.period) == (5, "seconds")
    assert job.expire_seconds == 5
    assert job.enabled


def test_operators_edits_survive() -> None:
    write_schedule(JOBS)
    job = PeriodicTask.objects.get(name=NAME)
    job.enabled = False
    job.expire_seconds = 99
    job.save()

    write_schedule(JOBS)

    job.refresh_from_db()
    assert (job.enabled, job.expire_seconds) == (False, 99)


def test_nightly_job_begins_at_its_hour_and_makes_up_for_a_missed_night() -> None:
    nightly = ScheduledJob(
        name="Nightly", task="x", every_seconds=86_400, expires_seconds=60, starts_at=time(3, 15)
    )
    write_schedule([nightly])
    job = PeriodicTask.objects.get()
    start = job.start_time
    assert start is not None
    assert (start.hour, start.minute, start.second) == (3, 15, 0)
    assert timedelta(0) < start - now() <= timedelta(days=1)
    assert not ModelEntry(job, app=app).is_due().is_due

    # The desk was off at the hour of the first run, and then for two nights.
    job.start_time = now() - timedelta(hours=5)
    assert ModelEntry(job, app=app).is_due().is_due
    job.last_run_at = now() - timedelta(hours=3)
    assert not ModelEntry(job, app=app).is_due().is_due
    job.last_run_at = now() - timedelta(days=2)
    assert ModelEntry(job, app=app).is_due().is_due


def test_job_on_the_minute_stays_on_the_clock() -> None:
    write_schedule(
        [
            ScheduledJob(
                name="Minutes", task="x", every_seconds=60, expires_seconds=50, on_the_minute=True
            )
        ]
    )
    job = PeriodicTask.objects.get()
    assert job.interval is None
    at = datetime(2026, 11, 27, 5, 0, 0, 300_000, tzinfo=UTC)

    # Sent 0.3 s late, the next is due at the full minute again.
    with time_machine.travel(at, tick=False):
        job.last_run_at = at
        is_due, seconds = ModelEntry(job, app=app).is_due()

    assert not is_due
    assert seconds == pytest.approx(59.7, abs=0.01)


def test_sent_job_is_written_by_one_statement(django_assert_num_queries: Any) -> None:
    write_schedule(JOBS)
    job = PeriodicTask.objects.get(name=NAME)
    entry = next(DeskEntry(job, app=app))
    PeriodicTask.objects.filter(pk=job.pk).update(expire_seconds=99)
    changed = PeriodicTasks.last_change()

    with django_assert_num_queries(1):
        entry.save()

    job.refresh_from_db()
    # What an operator changed meanwhile stays, and beat need not read the schedule again.
    assert (job.total_run_count, job.last_run_at, job.expire_seconds) == (1, entry.last_run_at, 99)
    assert PeriodicTasks.last_change() == changed


def test_beat_looks_for_a_changed_schedule_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr("config.core.background.scheduler.monotonic", lambda: clock[0])
    monkeypatch.setattr(DatabaseScheduler, "schedule_changed", lambda _: True)
    scheduler = DeskScheduler(app=app, lazy=True)

    found = []
    for seconds in (0.0, 1.0, CHANGES_SECONDS - 1.1, 0.1, 1.0):
        clock[0] += seconds
        found.append(scheduler.schedule_changed())

    assert found == [True, False, False, True, False]


def test_job_that_we_no_longer_have_is_switched_off_and_others_are_not() -> None:
    old = ScheduledJob(name="Old", task="old.task", every_seconds=60, expires_seconds=50)
    write_schedule([*JOBS, old])
    interval = PeriodicTask.objects.get(name="Old").interval
    PeriodicTask.objects.create(name="An operator's", task="x", interval=interval)
    before = PeriodicTasks.last_change()

    write_schedule(JOBS)

    enabled = dict(PeriodicTask.objects.values_list("name", "enabled"))
    kept = {job.name: True for job in JOBS}
    assert enabled == kept | {"Old": False, "An operator's": True}
    assert PeriodicTasks.last_change() > before


def test_job_switched_on_again_after_it_was_retired_stays_on() -> None:
    old = ScheduledJob(name="Old", task="old.task", every_seconds=60, expires_seconds=50)
    write_schedule([old])
    write_schedule(JOBS)
    PeriodicTask.objects.filter(name="Old").update(enabled=True)

    write_schedule(JOBS)

    assert PeriodicTask.objects.get(name="Old").enabled


def test_migrating_writes_the_schedule() -> None:
    call_command("migrate", verbosity=0)

    assert PeriodicTask.objects.filter(name=NAME, enabled=True).exists()


def test_every_job_names_a_task_that_exists_and_expires_before_the_next() -> None:
    app.loader.import_default_modules()
    for job in JOBS:
        assert job.task in app.tasks
        assert 0 < job.expires_seconds <= job.every_seconds
