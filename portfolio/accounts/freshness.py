"""When an account's book counts as stale."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings


def is_stale(last_synced_at: datetime | None, *, at: datetime) -> bool:
    limit = timedelta(seconds=settings.STALE_AFTER_SECONDS)
    return last_synced_at is None or at - last_synced_at > limit
