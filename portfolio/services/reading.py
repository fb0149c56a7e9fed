"""Reading the risk monitor: from the database at once, with what is behind refreshed meanwhile."""

from __future__ import annotations

import threading
from dataclasses import replace

import structlog
from django.conf import settings
from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from config.core.errors import ApplicationError
from portfolio.models import SyncRun
from portfolio.selectors.risk_monitor import RiskMonitor, accounts_for_risk, risk_monitor_of
from portfolio.services.on_demand import sync_now_for_read
from portfolio.services.refresh import refresh_greeks, request_refresh
from portfolio.services.sync_requests import request_sync

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
    """The risk monitor for a user (document 000).

    Cached Greeks are answered at once and refreshed in the background. A book whose options have
    no Greeks yet, or ``use_cached_greeks=False``, fetches before it answers. A stale or empty
    cache asks for a sync. A provider that is down changes nothing: last values, with their age.

    Raises:
        NotFound: ``account_id`` does not exist or is not the user's.
    """
    accounts = accounts_for_risk(user=user, account_id=account_id)
    ids = [account.account_id for account in accounts]
    if not settings.USE_PERSISTENT_CACHE:
        sync_now_for_read(account_ids=ids)
        return risk_monitor_of(accounts_for_risk(user=user, account_id=account_id))

    monitor = risk_monitor_of(accounts)
    if monitor.stale_account_ids:
        request_sync(account_ids=monitor.stale_account_ids, trigger=SyncRun.Trigger.STALE)
    if not use_cached_greeks or monitor.lacks_all_greeks:
        if _refresh_at_once(ids):
            return risk_monitor_of(accounts_for_risk(user=user, account_id=account_id))
        return monitor
    if refresh_greeks_async and monitor.book.positions:
        refreshing = request_refresh(account_ids=ids)
        return replace(monitor, head=monitor.head | {"refreshing": refreshing})
    return monitor


def _refresh_at_once(account_ids: list[str]) -> bool:
    """Fetch Greeks before answering; ``False`` when another request already waits or it failed."""
    if not _waiting_for_provider.acquire(blocking=False):
        return False
    try:
        refresh_greeks(account_ids=account_ids)
    except ApplicationError as error:
        logger.warning("greeks_refresh_failed", code=error.code, accounts=account_ids)
        return False
    finally:
        _waiting_for_provider.release()
    return True
