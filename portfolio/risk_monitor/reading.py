"""Read the risk monitor from the database, and refresh old values in the background."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta

import structlog
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.utils import OperationalError

from auth_tokens.models import User
from config.core.clock import now
from config.core.errors import ApplicationError
from config.core.http.pause import SharedPause
from portfolio.models import SyncRun
from portfolio.refresh.run import refresh_greeks, request_refresh
from portfolio.risk_monitor.body import (
    RiskMonitor,
    accounts_for_risk,
    accounts_shown,
    risk_monitor_of,
)
from portfolio.sync.on_demand import sync_now_for_read
from portfolio.sync.requests import request_sync

logger = structlog.get_logger(__name__)

# At most one thread of a web process waits for a provider; the others answer from the database.
_waiting_for_provider = threading.BoundedSemaphore(1)


def read_risk_monitor(
    *,
    user: User | AnonymousUser,
    account_id: str | None = None,
    use_cached_greeks: bool = True,
    refresh_greeks_async: bool = True,
) -> RiskMonitor:
    """Return the risk monitor of a user.

    Cached Greeks are returned at once and refreshed in the background. If no option has Greeks yet,
    or with ``use_cached_greeks=False``, fetch before answering. A stale or empty book requests a
    sync. If a provider is down, or the database too busy to write, the last values stay with their
    age.

    Raises:
        NotFound: ``account_id`` does not exist or is not the user's.
    """
    accounts = accounts_for_risk(user=user, account_id=account_id)
    ids = [account.account_id for account in accounts]
    if not settings.USE_PERSISTENT_CACHE:
        sync_now_for_read(account_ids=ids)
        return risk_monitor_of(accounts_for_risk(user=user, account_id=account_id))

    monitor = risk_monitor_of(accounts)
    _request_sync_of_stale(monitor)
    first_load = monitor.lacks_all_greeks and not _first_load_failed(ids).remaining()
    if not use_cached_greeks or first_load:
        if _refresh_at_once(ids):
            return risk_monitor_of(accounts_for_risk(user=user, account_id=account_id))
        return monitor
    if refresh_greeks_async and monitor.book.positions and request_refresh(account_ids=ids):
        # The body then says so to this reader and all others.
        return risk_monitor_of(accounts)
    return monitor


def request_what_is_behind(*, account_ids: Sequence[str]) -> None:
    """Request what a read would, without reading: the front door's bodies bypass this function."""
    accounts = list(accounts_shown(account_ids))
    monitor = risk_monitor_of(accounts)
    _request_sync_of_stale(monitor)
    if monitor.book.positions:
        request_refresh(account_ids=[account.account_id for account in accounts])


def _request_sync_of_stale(monitor: RiskMonitor) -> None:
    """Request a sync of stale accounts, unless one was tried a moment ago.

    If an account stays stale, its broker refuses or fails: readers must not make its calls more
    frequent than the schedule does.
    """
    at = now()
    stale = {row["account_id"] for row in monitor.head["accounts"] if row["stale"]}
    due = []
    for account in monitor.accounts:
        pause = timedelta(seconds=min(account.sync_seconds, settings.STALE_AFTER_SECONDS))
        tried = account.last_attempt_at
        if account.account_id in stale and not (tried and timedelta(0) <= at - tried < pause):
            due.append(account.account_id)
    if not due:
        return
    try:
        request_sync(account_ids=due, trigger=SyncRun.Trigger.STALE)
    except OperationalError as error:
        # The book is labelled stale; the next read, or the schedule, asks again.
        logger.warning("sync_not_requested", accounts=due, reason=type(error).__name__)


def _first_load_failed(account_ids: list[str]) -> SharedPause:
    """Return the pause after a failed first load; meanwhile readers get the book without Greeks."""
    return SharedPause("first_load:" + ",".join(account_ids))


def _refresh_at_once(account_ids: list[str]) -> bool:
    """Fetch Greeks before answering; ``False`` if it failed or another request already waits."""
    if not _waiting_for_provider.acquire(blocking=False):
        return False
    try:
        if refresh_greeks(account_ids=account_ids):
            _first_load_failed(account_ids).start(settings.GREEKS_MINIMUM_AGE_SECONDS)
    except ApplicationError as error:
        logger.warning("greeks_refresh_failed", code=error.code, accounts=account_ids)
        return False
    except OperationalError as error:
        logger.warning("greeks_not_stored", accounts=account_ids, reason=type(error).__name__)
        return False
    finally:
        _waiting_for_provider.release()
    return True
