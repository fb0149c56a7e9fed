"""Sync runs of the accounts a user may see, and the user's requests for more."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from auth_tokens.models import User
from config.core.errors import Forbidden, NotFound
from portfolio.accounts.access import (
    account_for_user,
    accounts_syncable_by,
    accounts_visible_to,
    can_sync,
)
from portfolio.models import SyncRun
from portfolio.sync import shapes
from portfolio.sync.requests import request_sync


def request_sync_for_user(
    *, user: User | AnonymousUser, account_id: str | None = None
) -> list[SyncRun]:
    """Queue a sync of one account, or of every account the user may sync. Returns the runs.

    Raises:
        NotFound: the account does not exist, is not visible to the user, or none may be synced.
        Forbidden: the account is shared with the user for viewing only.
    """
    if account_id is not None:
        account = account_for_user(user, account_id)
        if not can_sync(user, account):
            raise Forbidden(f"Account {account_id} is shared with you for viewing only.")
        accounts = [account]
    else:
        accounts = list(accounts_syncable_by(user))
        if not accounts:
            raise NotFound("There is no account that you may sync.")
    return request_sync(
        account_ids=[account.account_id for account in accounts],
        trigger=SyncRun.Trigger.REQUEST,
    )


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
