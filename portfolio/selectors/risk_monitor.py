"""The body of the risk monitor, the same for the API, the page and the websocket."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.conf import settings
from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from config.core.clock import market_clock_is_frozen, market_now, now
from portfolio.models import Account
from portfolio.selectors.access import account_for_user, accounts_visible_to
from portfolio.selectors.books import ENCODER, Book, books, plain

SCHEMA = 1
GRID_URL = "/api/portfolio/scenarios"


@dataclass(frozen=True, slots=True)
class RiskMonitor:
    """One reading of the risk monitor: Python values for the page, JSON bytes for the wire."""

    accounts: tuple[Account, ...]
    book: Book
    head: dict[str, Any]

    @property
    def body(self) -> dict[str, Any]:
        """The whole body as Python values (Decimal, datetime, ``None``)."""
        return self.head | {"positions": self.book.positions, "totals": self.book.totals}

    @property
    def version(self) -> int:
        return int(self.head["version"])

    def to_json(self) -> bytes:
        """The body as JSON. Positions and totals are copied from the version's prepared bytes."""
        return ENCODER.encode(
            self.head
            | {
                "positions": msgspec.Raw(self.book.positions_json),
                "totals": msgspec.Raw(self.book.totals_json),
            }
        )

    def etag(self) -> str:
        """Changes with anything that is shown, but not with the passing of time alone."""
        facts = {name: value for name, value in self.head.items() if name != "clock"}
        digest = hashlib.blake2b(ENCODER.encode(facts), digest_size=12)
        digest.update(self.book.totals_json)
        return f'"{digest.hexdigest()}"'

    @property
    def never_synced(self) -> bool:
        return bool(self.accounts) and all(a.last_synced_at is None for a in self.accounts)

    @property
    def lacks_all_greeks(self) -> bool:
        """Options are held and none has Greeks: the first load, which fetches at once."""
        options = [row for row in self.book.positions if row["right"]]
        return bool(options) and all(row["delta"] is None for row in options)

    @property
    def stale_account_ids(self) -> list[str]:
        return [row["account_id"] for row in self.head["accounts"] if row["stale"]]


def accounts_for_risk(*, user: User | AnonymousUser, account_id: str | None) -> list[Account]:
    """The accounts the user may see, or the one asked for.

    Raises:
        NotFound: ``account_id`` does not exist or is not the user's.
    """
    if account_id is not None:
        account_for_user(user, account_id)
    visible = accounts_visible_to(user).select_related("status").order_by("account_id")
    if account_id is not None:
        visible = visible.filter(account_id=account_id)
    return list(visible)


def risk_monitor_for(
    *, user: User | AnonymousUser, account_id: str | None = None, refreshing: bool = False
) -> RiskMonitor:
    """The risk monitor of everything the user may see, or of one account, from the database.

    Raises:
        NotFound: ``account_id`` does not exist or is not the user's.
    """
    return risk_monitor_of(
        accounts_for_risk(user=user, account_id=account_id), refreshing=refreshing
    )


def risk_monitor_of(accounts: Sequence[Account], *, refreshing: bool = False) -> RiskMonitor:
    """The risk monitor of accounts that the caller has authorised."""
    at = now()
    rows = [_account_row(account, at=at) for account in accounts]
    as_of = max((row["last_synced"] for row in rows if row["last_synced"]), default=None)
    head = {
        "schema": SCHEMA,
        "version": sum(account.book_version for account in accounts),
        "as_of": as_of,
        "stale": any(row["stale"] for row in rows),
        "refreshing": refreshing,
        "simulated": any(account.simulated for account in accounts),
        "clock": {"now": market_now(), "frozen": market_clock_is_frozen()},
        "accounts": rows,
        "scenarios": {"worst": None, "grid_url": GRID_URL},
    }
    return RiskMonitor(accounts=tuple(accounts), book=books.get(accounts), head=head)


def is_stale(last_synced_at: datetime | None, *, at: datetime) -> bool:
    limit = timedelta(seconds=settings.STALE_AFTER_SECONDS)
    return last_synced_at is None or at - last_synced_at > limit


def _account_row(account: Account, *, at: datetime) -> dict[str, Any]:
    status = getattr(account, "status", None)

    def money(name: str) -> Any:
        return plain(getattr(status, name)) if status else None

    return {
        "account_id": account.account_id,
        "broker": account.broker,
        "label": account.label or account.account_id,
        "currency": status.currency if status else account.base_currency,
        "net_liquidation": money("net_liquidation"),
        "buying_power": money("buying_power"),
        "excess_liquidity": money("excess_liquidity"),
        "maint_margin": money("maint_margin"),
        "unrealized_pnl": money("unrealized_pnl"),
        "unrealized_pnl_source": (status.unrealized_pnl_source or None) if status else None,
        "realized_pnl": money("realized_pnl"),
        "cash": money("cash"),
        "last_synced": account.last_synced_at,
        "as_of": status.as_of if status else None,
        "source": status.source if status else None,
        "stale": is_stale(account.last_synced_at, at=at),
        "simulated": account.simulated,
        "unconfirmed_empty": account.empty_book_since is not None,
        "error": {"code": account.last_error_code, "message": account.last_error}
        if account.last_error_code
        else None,
    }
