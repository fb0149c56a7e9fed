"""Refresh Greeks between syncs: requested by reads, done once, within a shared budget.

The risk monitor answers from the database and requests a refresh meanwhile. A refresh reads only
quotes and Greeks; quantities and money stay as the last sync left them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial

import structlog
from django.conf import settings
from django.db import transaction
from redis.exceptions import RedisError

from config.core.background.task import enqueue
from config.core.clock import now
from config.core.errors import LockHeld, ProviderError, RateLimitedError
from config.core.http.budget import CallBudget
from config.core.redis.client import key, redis_client
from config.core.redis.locks import subject_lock
from config.core.redis.process_copies import ProcessCopies
from config.core.threads import for_each
from greeks.models import Instrument
from greeks.providers.base import SnapshotProvider
from greeks.providers.registry import configured_providers, open_provider
from portfolio.accounts.days import AccountSessions, session_dates_of
from portfolio.book.position_row import stored_positions, write_positions
from portfolio.book.valuing import revalue_positions
from portfolio.book.writing_context import writing_context
from portfolio.brokers.registry import open_adapter
from portfolio.domain import Broker
from portfolio.market_data.prices import store_prices
from portfolio.market_data.sources import MarketData
from portfolio.market_data.store import write_greeks
from portfolio.models import Account
from portfolio.refresh.asked import announce_refresh
from portfolio.sync.fetch import market_of, other_sources
from portfolio.sync.progress import announce_change

logger = structlog.get_logger(__name__)

REFRESH_DEADLINE_SECONDS = 30.0
# Until when this process need not ask Redis whether an account's refresh is due.
_looked_until: ProcessCopies[dict[str, float]] = ProcessCopies(dict)
_LOOK_AGAIN_SECONDS = 1.0


def request_refresh(*, account_ids: Sequence[str]) -> bool:
    """Ask a worker to refresh Greeks older than ``GREEKS_MINIMUM_AGE_SECONDS``.

    Returns whether a worker was asked: once per account and period across all processes and
    readers. Cheap enough for every read: usually a lookup in this process's memory.
    """
    due = [account_id for account_id in dict.fromkeys(account_ids) if _may_look(account_id)]
    if not due:
        return False
    minimum_age = timedelta(seconds=settings.GREEKS_MINIMUM_AGE_SECONDS)
    old = dict(
        Account.objects.filter(pk__in=due, enabled=True)
        .exclude(last_synced_at__gt=now() - minimum_age)
        .values_list("pk", "book_version")
    )
    claimed = [account_id for account_id in due if account_id in old and _claim(account_id)]
    if not claimed:
        return False
    announce_refresh({account_id: old[account_id] for account_id in claimed})
    for account_id in claimed:
        enqueue(
            "portfolio.refresh_greeks",
            {"account_id": account_id},
            expires=REFRESH_DEADLINE_SECONDS,
        )
    return True


def refresh_greeks(*, account_ids: Sequence[str]) -> dict[str, str]:
    """Fetch and store quotes and Greeks of what the accounts hold; return error codes of those that
    failed.

    Accounts are fetched in parallel. If a provider is down, the last values stay with their age. An
    account someone else is refreshing is left to them.

    Raises:
        RateLimitedError: the shared refresh budget is used up; nothing was fetched.
    """
    wanted = list(dict.fromkeys(account_ids))
    budget = CallBudget(
        "greeks_refreshes", limit=max(1, settings.GREEKS_CALLS_PER_MINUTE), seconds=60
    )
    granted = []
    wait = 0.0
    for account_id in wanted:
        wait = budget.try_acquire()
        if wait:
            break
        granted.append(account_id)
    if wanted and not granted:
        raise RateLimitedError(
            "Greeks were refreshed as often as they may be in a minute.", retry_after=wait
        )
    answers = (
        for_each(granted, _refresh_account, seconds=REFRESH_DEADLINE_SECONDS) if granted else {}
    )
    failed = dict.fromkeys(wanted[len(granted) :], RateLimitedError.code)
    for account_id in granted:
        answer = answers.get(account_id, "deadline_passed")
        if isinstance(answer, ProviderError | LockHeld):
            failed[account_id] = answer.code
        elif isinstance(answer, BaseException):
            raise answer
        elif answer:
            failed[account_id] = answer
    if failed:
        logger.info("greeks_refresh_incomplete", failed=failed)
    return failed


def _may_look(account_id: str) -> bool:
    moment = time.monotonic()
    with _looked_until.lock:
        until = _looked_until.get("accounts")
        if moment < until.get(account_id, 0.0):
            return False
        until[account_id] = moment + _LOOK_AGAIN_SECONDS
        return True


def _claim(account_id: str) -> bool:
    try:
        return bool(
            redis_client().set(
                key("greeks_refresh", account_id),
                "1",
                nx=True,
                ex=max(1, settings.GREEKS_MINIMUM_AGE_SECONDS),
            )
        )
    except RedisError:
        # Without Redis no worker can be asked either.
        return False


def _refresh_account(account_id: str) -> str:
    """Refresh one account; return the error code, or ""."""
    with subject_lock(f"greeks:{account_id}", seconds=REFRESH_DEADLINE_SECONDS * 2):
        account = Account.objects.filter(pk=account_id, enabled=True).first()
        if account is None:
            return "not_found"
        instruments = {
            row.key: row for row in Instrument.objects.filter(positions__account=account).distinct()
        }
        if not instruments:
            return ""
        market, everything = fetch_for_refresh(instruments, Broker(account.broker))
        if market.quotes or market.greeks:
            write_refreshed(account_id, market, everything, session_dates_of(account))
        return market.error.code if market.error is not None and not market.greeks else ""


def fetch_for_refresh(
    instruments: Mapping[str, Instrument], broker: Broker
) -> tuple[MarketData, dict[str, Instrument]]:
    """Fetch market data from ``GREEKS_REFRESH_SOURCE``, then from the other sources.

    ``broker``: the account's own broker, then as in a sync. A provider: that one, then the own
    broker and the rest; if it is not configured, the own broker comes first.
    """
    name = settings.GREEKS_REFRESH_SOURCE
    provider_first = name in configured_providers()

    def others() -> Iterable[SnapshotProvider]:
        if provider_first:
            yield open_adapter(broker)
        yield from other_sources(broker, without=name)

    first = open_provider(name) if provider_first else open_adapter(broker)
    try:
        return market_of(
            instruments=instruments, adapter=first, others=others, marks={}, own=not provider_first
        )
    finally:
        first.close()


def write_refreshed(
    account_id: str,
    market: MarketData,
    instruments: dict[str, Instrument],
    sessions: AccountSessions,
) -> None:
    store_prices(market.quotes.values())
    with transaction.atomic():
        # With the row locked, so a position closed meanwhile does not come back.
        account = Account.objects.select_for_update().get(pk=account_id)
        context = writing_context(account=account, market=market, sessions=sessions)
        rows = revalue_positions(
            stored=stored_positions(account_id).values(),
            keys={row.pk: key for key, row in instruments.items()},
            instruments=instruments,
            context=context,
        )
        write_greeks(
            market=market, instruments=instruments, at=context.at, market_at=context.market_at
        )
        write_positions(rows, keep_raw=True)
        account.book_version += 1
        Account.objects.filter(pk=account.pk).update(book_version=account.book_version)
        transaction.on_commit(partial(announce_change, account.pk, account.book_version))
