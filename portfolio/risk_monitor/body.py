"""The body of the risk monitor, the same for the API, the page and the websocket."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cache
from threading import Lock
from typing import Any

import msgspec
from cachetools import LRUCache, cached
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import F, Max, QuerySet, Subquery, Sum, Value

from auth_tokens.account_pages.time_zones import time_zone_of
from auth_tokens.models import User
from config.core.clock import market_clock_is_frozen, market_now, now
from portfolio.accounts.access import account_for_user, accounts_visible_to
from portfolio.accounts.days import local_date
from portfolio.amounts import ENCODER
from portfolio.book.reading import Book, book_key, book_of, rates_version
from portfolio.book.rows import plain
from portfolio.exposure.currencies import totals_currency
from portfolio.models import Account, Beta, FxRate
from portfolio.refresh.asked import refreshing_until
from portfolio.risk.scenarios.grid import worst_cell_of

SCHEMA = 1
GRID_URL = "/api/portfolio/scenarios"
_MONEY = ("net_liquidation", "buying_power", "excess_liquidity", "maint_margin", "unrealized_pnl",
          "realized_pnl", "cash")  # fmt: skip


@dataclass(frozen=True, slots=True)
class RiskMonitor:
    """One reading of the risk monitor: Python values for the page, JSON bytes for the wire.

    Until ``valid_until`` (seconds of the epoch) time alone changes nothing in it; the client counts
    ages. ``state`` is equal for readings that show the same.
    """

    accounts: tuple[Account, ...]
    book: Book
    head: dict[str, Any]
    state: Hashable
    valid_until: float

    @property
    def body(self) -> dict[str, Any]:
        """The whole body as Python values (Decimal, datetime, ``None``)."""
        return self.head | {"positions": self.book.positions, "totals": self.book.totals}

    @property
    def version(self) -> int:
        return int(self.head["version"])

    def to_json(self) -> bytes:
        """Return the body as JSON, with the version's encoded positions and totals."""
        return ENCODER.encode(
            self.head
            | {
                "positions": msgspec.Raw(self.book.positions_json),
                "totals": msgspec.Raw(self.book.totals_json),
            }
        )

    @property
    def never_synced(self) -> bool:
        return bool(self.accounts) and all(a.last_synced_at is None for a in self.accounts)

    @property
    def lacks_all_greeks(self) -> bool:
        """Whether options are held and none has Greeks: a first load, which fetches at once."""
        options = [row for row in self.book.positions if row["right"]]
        return bool(options) and all(row["delta"] is None for row in options)


def accounts_for_risk(
    *, user: User | AnonymousUser, account_id: str | None = None
) -> list[Account]:
    """Return the user's visible accounts, or the one named, with all ``risk_monitor_of`` needs.

    Raises:
        NotFound: ``account_id`` does not exist or is not the user's.
    """
    if account_id is not None:
        account_for_user(user, account_id)
    visible = accounts_visible_to(user, _shown(settings.RISK_BENCHMARK))
    if account_id is not None:
        visible = visible.filter(account_id=account_id)
    return list(visible)


def accounts_shown(account_ids: Collection[str]) -> list[Account]:
    """Return (already authorised) accounts with all ``risk_monitor_of`` needs."""
    return list(_shown(settings.RISK_BENCHMARK).filter(account_id__in=account_ids))


@cache
def _shown(benchmark: str) -> QuerySet[Account]:
    """Return accounts with the body's head and the versions of everything else, in one query.

    Made once: each subquery that is built and resolved costs more than the database takes.
    """
    betas = Beta.objects.filter(benchmark=benchmark).order_by().values("benchmark")
    rates = FxRate.objects.annotate(all=Value(1)).order_by().values("all")
    return (
        Account.objects.select_related("status")
        .annotate(
            betas_as_of=Subquery(betas.annotate(latest=Max("as_of")).values("latest")),
            # The sum also changes if a beta is removed, or set again in the same instant.
            betas_sum=Subquery(betas.annotate(sum=Sum("value")).values("sum")),
            rates_sum=Subquery(rates.annotate(sum=Sum("rate")).values("sum")),
            grid_version=F("scenario_grid__book_version"),
            grid_as_of=F("scenario_grid__as_of"),
        )
        .order_by("account_id")
    )


def risk_monitor_of(accounts: Sequence[Account]) -> RiskMonitor:
    """Return the risk monitor of (already authorised) accounts."""
    head = _head(accounts)
    return RiskMonitor(
        accounts=tuple(accounts),
        book=book_of(accounts),
        head=head | {"scenarios": {"worst": worst_cell(accounts), "grid_url": GRID_URL}},
        state=_state(accounts, head),
        valid_until=_valid_until(accounts),
    )


def state_of(accounts: Sequence[Account]) -> Hashable:
    """Return the accounts' ``RiskMonitor.state`` without reading their book."""
    return _state(accounts, _head(accounts))


def _state(accounts: Sequence[Account], head: dict[str, Any]) -> Hashable:
    return (ENCODER.encode(head), book_key(accounts), _grids(accounts))


def _grids(accounts: Sequence[Account]) -> tuple[Hashable, ...]:
    """Return the version of each account's grid."""
    return tuple(
        (
            account.account_id,
            getattr(account, "grid_version", None),
            getattr(account, "grid_as_of", None),
        )
        for account in accounts
    )


def _worst_key(accounts: Sequence[Account]) -> Hashable:
    return (totals_currency(accounts), rates_version(accounts), *_grids(accounts))


@cached(LRUCache(64), key=_worst_key, lock=Lock())
def worst_cell(accounts: Sequence[Account]) -> dict[str, Any] | None:
    """Return the worst cell of the accounts' grids, read once per version of grids and rates."""
    return worst_cell_of(accounts, totals_currency(accounts))


def _head(accounts: Sequence[Account]) -> dict[str, Any]:
    """Return the body without the book: the accounts' rows and the refreshes in progress."""
    at = now()
    rows = [_account_row(account, at=at) for account in accounts]
    is_frozen = market_clock_is_frozen()
    return {
        "schema": SCHEMA,
        "version": sum(account.book_version for account in accounts),
        "as_of": max((row["last_synced"] for row in rows if row["last_synced"]), default=None),
        "stale": any(row["stale"] for row in rows),
        "refreshing": any(refreshing_until(account) is not None for account in accounts),
        "simulated": any(account.simulated for account in accounts),
        # A running clock's time would be wrong a moment later, so only a frozen one is given.
        "clock": {"now": market_now() if is_frozen else None, "frozen": is_frozen},
        "accounts": rows,
    }


def _valid_until(accounts: Sequence[Account]) -> float:
    """Return when time alone changes the body: a book gets stale, a day begins, a refresh ends."""
    at = now()
    ends = [end for account in accounts if (end := refreshing_until(account)) is not None]
    for account in accounts:
        if account.last_synced_at is not None and not account.is_stale(at=at):
            ends.append(account.last_synced_at.timestamp() + settings.STALE_AFTER_SECONDS)
        if not market_clock_is_frozen():
            ends.append(_next_midnight(account, at))
    return min(ends, default=math.inf)


def _next_midnight(account: Account, at: datetime) -> float:
    """Return when the next day begins in the account's zone; days to expiry count from it."""
    zone = time_zone_of(account.time_zone)
    tomorrow = local_date(account, at) + timedelta(days=1)
    return datetime.combine(tomorrow, time.min, tzinfo=zone).timestamp()


def _account_row(account: Account, *, at: datetime) -> dict[str, Any]:
    status = getattr(account, "status", None)
    return {
        "account_id": account.account_id,
        "broker": account.broker,
        "label": account.label or account.account_id,
        "currency": status.currency if status else account.base_currency,
        **{name: plain(getattr(status, name, None)) for name in _MONEY},
        "unrealized_pnl_source": (status.unrealized_pnl_source or None) if status else None,
        "last_synced": account.last_synced_at,
        "as_of": status.as_of if status else None,
        "source": status.source if status else None,
        "stale": account.is_stale(at=at),
        "simulated": account.simulated,
        "unconfirmed_empty": account.empty_book_since is not None,
        "last_outcome": account.last_outcome,
        "error": {"code": account.last_error_code, "message": account.last_error}
        if account.last_error_code
        else None,
    }
