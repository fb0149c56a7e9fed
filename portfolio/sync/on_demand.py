"""Sync on read, for running without the persistent cache."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog

from config.core.errors import ApplicationError, LockHeld
from config.core.redis.locks import subject_is_locked
from config.core.threads import for_each
from portfolio.models import SyncRun
from portfolio.sync.run import sync_account, sync_subject

logger = structlog.get_logger(__name__)

# Readers wait at most this long for the brokers, then get what is stored.
READ_DEADLINE_SECONDS = 15.0
_LOOK_AGAIN_SECONDS = 0.03


def sync_now_for_read(
    *, account_ids: Sequence[str], seconds: float = READ_DEADLINE_SECONDS
) -> list[str]:
    """Sync the accounts in parallel and return those whose book is now fresh.

    If another process is syncing an account, wait for it instead of fetching twice. On an error or
    at the deadline, the last good book stays and the reader sees its age.
    """
    wanted = list(dict.fromkeys(account_ids))
    if not wanted:
        return []
    deadline = time.monotonic() + seconds
    answers = for_each(
        wanted, lambda account_id: _sync_or_wait(account_id, deadline), seconds=seconds
    )
    for account_id, answer in answers.items():
        if isinstance(answer, BaseException) and not isinstance(answer, ApplicationError):
            raise answer
        if answer is not True:
            logger.info("read_without_fresh_book", account_id=account_id)
    return [account_id for account_id in wanted if answers.get(account_id) is True]


def _sync_or_wait(account_id: str, deadline: float) -> bool:
    try:
        run = sync_account(account_id=account_id, trigger=SyncRun.Trigger.REQUEST)
    except LockHeld:
        while time.monotonic() < deadline:
            if not subject_is_locked(sync_subject(account_id)):
                return True
            time.sleep(_LOOK_AGAIN_SECONDS)
        return False
    return run.outcome in (SyncRun.Outcome.SUCCEEDED, SyncRun.Outcome.PARTIAL)
