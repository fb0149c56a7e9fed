"""Sync requests by users."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from config.core.errors import Forbidden, NotFound
from portfolio.accounts.access import account_for_user, accounts_syncable_by, can_sync
from portfolio.models import SyncRun
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
