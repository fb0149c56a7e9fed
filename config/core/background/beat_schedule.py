"""Write the configured schedule to the database, where operators may change it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import connections, router

from config.core.background.job import ScheduledJob
from config.core.clock import now

logger = structlog.get_logger(__name__)

# Marks rows we wrote; others are never touched.
DESCRIPTION = "Written by Greekdesk from its settings. Changes made here stay."
RETIRED = "Written by Greekdesk, which no longer has this job."


def write_schedule(jobs: Iterable[ScheduledJob]) -> None:
    """Create missing jobs by name, and retire ours that no longer exist.

    Existing jobs are left alone: interval, expiry and whether they run belong to the operator.
    """
    from django_celery_beat.models import PeriodicTask, PeriodicTasks

    wanted = {job.name: job for job in jobs}
    existing = set(PeriodicTask.objects.filter(name__in=wanted).values_list("name", flat=True))
    for name, job in wanted.items():
        if name in existing:
            continue
        PeriodicTask.objects.get_or_create(
            name=name,
            defaults={
                "task": job.task,
                **_schedule(job),
                "expire_seconds": job.expires_seconds,
                "start_time": None if job.starts_at is None else _next(job.starts_at),
                "enabled": job.enabled,
                "description": DESCRIPTION,
            },
        )
        logger.info("job_scheduled", job=name, every_seconds=job.every_seconds)
    obsolete = PeriodicTask.objects.filter(description=DESCRIPTION).exclude(name__in=wanted)
    if obsolete.update(enabled=False, description=RETIRED):
        # update() sends no signal, so tell beat to reload.
        PeriodicTasks.update_changed()


def _schedule(job: ScheduledJob) -> dict[str, Any]:
    """Return the schedule: a crontab for every minute or a daily time, else an interval.

    Each late message shifts an interval; a crontab stays on the clock.
    """
    from django_celery_beat.models import CrontabSchedule, IntervalSchedule

    if job.on_the_minute:
        crontab, _ = CrontabSchedule.objects.get_or_create(minute="*", hour="*", timezone="UTC")
        return {"crontab": crontab}
    if job.daily_at is not None:
        crontab, _ = CrontabSchedule.objects.get_or_create(
            minute=str(job.daily_at.minute), hour=str(job.daily_at.hour), timezone=job.zone
        )
        return {"crontab": crontab}
    interval, _ = IntervalSchedule.objects.get_or_create(
        every=job.every_seconds, period=IntervalSchedule.SECONDS
    )
    return {"interval": interval}


def _next(at: time) -> datetime:
    """Return the next moment when it is ``at`` in UTC."""
    today = datetime.combine(now(), at, tzinfo=UTC)
    return today if today > now() else today + timedelta(days=1)


def write_schedule_after_migrate(using: str, **_: Any) -> None:
    """``post_migrate`` receiver for django-celery-beat."""
    from django_celery_beat.models import PeriodicTask

    if not router.allow_migrate_model(using, PeriodicTask):
        return
    connection = connections[using]
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
    if PeriodicTask._meta.db_table in tables:
        write_schedule(settings.BEAT_SCHEDULE)
