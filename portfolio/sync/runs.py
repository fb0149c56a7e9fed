"""Read sync runs of the accounts a user may see."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from auth_tokens.models import User
from config.core.errors import NotFound
from portfolio.accounts.access import accounts_visible_to
from portfolio.models import SyncRun
from portfolio.sync import shapes


def runs_visible_to(user: User | AnonymousUser) -> QuerySet[SyncRun]:
    """Return the runs of the user's accounts, newest first."""
    return SyncRun.objects.filter(account__in=accounts_visible_to(user)).order_by("-requested_at")


def run_for_user(user: User | AnonymousUser, run_id: UUID) -> SyncRun:
    """Return one run.

    Raises:
        NotFound: no such run, or it belongs to an account the user may not see.
    """
    run = runs_visible_to(user).filter(pk=run_id).first()
    if run is None:
        raise NotFound("No such sync run.", fields={"id": "unknown"})
    return run


def running_runs(user: User | AnonymousUser) -> list[SyncRun]:
    """Return runs that are waiting or in progress, oldest first. One query."""
    runs = runs_visible_to(user).filter(outcome=SyncRun.Outcome.RUNNING)
    return list(runs.order_by("requested_at"))


def run_body(run: SyncRun) -> shapes.SyncRun:
    """Return a run as the API shows it."""
    error = shapes.Fault(run.error_code, run.error) if run.error_code else None
    return shapes.SyncRun.of(run, id=str(run.pk), error=error)
