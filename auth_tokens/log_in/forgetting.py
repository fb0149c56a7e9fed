"""Delete what log-ins leave behind, so that nobody can fill a table by trying."""

from __future__ import annotations

from datetime import timedelta

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.sessions.models import Session
from django.http import HttpRequest

from auth_tokens.models import AuditEvent
from config.core.clock import now

#: Failures are forgotten after this time.
KEPT = timedelta(days=1)
# Rows per transaction, during which SQLite's other writers wait.
_BATCH = 1000


class LockOuts(AxesDatabaseHandler):  # type: ignore[misc]
    """Axes' own, except that a short wait of one name ends no longer one of another."""

    def clean_expired_user_attempts(
        self, request: HttpRequest | None = None, credentials: dict[str, str] | None = None
    ) -> int:
        count, _ = AccessAttempt.objects.filter(attempt_time__lt=now() - KEPT).delete()
        return int(count)


def forget_old_log_ins() -> None:
    """Delete old failures, ended sessions, and audit events older than ``KEEP_AUDIT_DAYS``.

    0 days keep the trail for ever.
    """
    old = [
        AccessAttempt.objects.filter(attempt_time__lt=now() - KEPT),
        Session.objects.filter(expire_date__lt=now()),
    ]
    if days := settings.KEEP_AUDIT_DAYS:
        old.append(AuditEvent.objects.filter(at__lt=now() - timedelta(days=days)))
    for rows in old:
        batch = rows.order_by().values("pk")[:_BATCH]
        while rows.model._base_manager.filter(pk__in=batch).delete()[0] == _BATCH:
            pass
