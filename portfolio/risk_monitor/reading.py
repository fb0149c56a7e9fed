"""Reading the risk monitor: from the database at once, with what is behind refreshed meanwhile."""

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

# At most one thread of a web process waits for a provider; the others answer what they have.
_waiting_for_provider = threading.BoundedSemaphore(1)


def read_risk_monitor(
    *,
    user: User | AnonymousUser,
    account_id: str | None = None,
    use_cached_greeks: bool = True,
    refresh_greeks_async: bool = True,
) -> RiskMonitor:
    """Return the risk monitor of a user.

    Cached Greeks are answered at once and refreshed in the background. A book whose options have
    no Greeks yet, or ``use_cached_greeks=False``, fetches before it answers. A stale or empty
    cache asks for a sync. A provider that is down, or a database too busy to write, changes
    nothing: last values, with their age.

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
        # It shows that it is being refreshed, to this reader as to all others.
        return risk_monitor_of(accounts)
    return monitor


def request_what_is_behind(*, account_ids: Sequence[str]) -> None:
    """What a read asks for, without the read: prepared bodies are answered past this service."""
    accounts = list(accounts_shown(account_ids))
    monitor = risk_monitor_of(accounts)
    _request_sync_of_stale(monitor)
    if monitor.book.positions:
        request_refresh(account_ids=[account.account_id for account in accounts])


def _request_sync_of_stale(monitor: RiskMonitor) -> None:
    """Ask for a sync of what is stale, unless it was tried a moment ago.

    The broker of an account that stays stale refuses or fails: readers never make its calls more
    frequent than the clock does.
    """
    at = now()
    stale = set(monitor.stale_account_ids)
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
        # The book was read and is labelled stale; the next read, or the clock, asks again.
        logger.warning("sync_not_requested", accounts=due, reason=type(error).__name__)


def _first_load_failed(account_ids: list[str]) -> SharedPause:
    """Runs while a first load has just failed: readers in that time get the book without Greeks."""
    return SharedPause("first_load:" + ",".join(account_ids))


def _refresh_at_once(account_ids: list[str]) -> bool:
    """Fetch Greeks before answering; ``False`` when another request already waits or it failed."""
    if not _waiting_for_provider.acquire(blocking=False):
        return False
    try:
        refreshed = refresh_greeks(account_ids=account_ids)
        if refreshed.failed:
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
