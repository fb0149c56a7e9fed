"""Decide whether a suddenly empty book is real: only if the money agrees, twice.

An account that suddenly holds nothing has either closed everything, or its broker has a glitch. The
summary tells which: without positions, cash equals net liquidation and there is no margin. Each
check counts only where it can tell: cash cannot when the known book was worth nothing anyway (a
spread), margin cannot when there was none before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from greeks.models import Instrument
from portfolio.book.position_row import PositionRow
from portfolio.domain import AccountSummary
from portfolio.models import Account, AccountStatus, SyncRun

# Key in a run's counts that remembers an empty answer for the next run to confirm.
EMPTY_ANSWER = "empty_answer"

# Accrued interest and dividends may separate cash from net liquidation.
_SHARE = Decimal("0.001")
_LEAST = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBook:
    """The last good book, to compare the empty answer with."""

    market_value: Decimal | None
    maintenance_margin: Decimal | None


def judge_empty_book(
    *,
    account: Account,
    summary: AccountSummary | None,
    flat_keys: Collection[str],
    stored: Iterable[PositionRow],
    status: AccountStatus | None,
) -> dict[str, Any] | None:
    """Return ``None`` if an answer without positions is true, else what the run remembers of it.

    ``flat_keys`` are instruments that the broker lists with quantity zero. At most two queries.
    """
    rows = list(stored)
    known = KnownBook(
        market_value=_market_value(rows),
        maintenance_margin=status.maint_margin if status is not None else None,
    )
    is_supported = summary is not None and supports_empty_book(summary, known)
    if rows:
        is_true = _all_said_flat(rows, flat_keys) or (
            is_supported and _agree(summary, _earlier_answer(account))
        )
    else:
        is_true = is_supported or account.last_synced_at is not None
    if is_true:
        return None
    return {
        "supported": is_supported,
        "cash": _text(summary.cash) if summary else None,
        "maintenance_margin": _text(summary.maintenance_margin) if summary else None,
    }


def supports_empty_book(summary: AccountSummary, known: KnownBook) -> bool:
    """Return whether the summary fits an account without positions."""
    by_cash = _cash_is_everything(summary)
    by_margin = None if summary.maintenance_margin is None else summary.maintenance_margin == 0
    value = known.market_value
    cash_can_tell = value is not None and not _close(value, Decimal(0), of=summary.net_liquidation)
    margin_can_tell = bool(known.maintenance_margin)
    telling = [
        evidence
        for evidence, can_tell in ((by_cash, cash_can_tell), (by_margin, margin_can_tell))
        if can_tell and evidence is not None
    ]
    if telling:
        return any(telling)
    if by_cash is not None:
        return by_cash
    return bool(by_margin)


def _cash_is_everything(summary: AccountSummary) -> bool | None:
    if summary.cash is None or summary.net_liquidation is None:
        return None
    return _close(summary.cash, summary.net_liquidation, of=summary.net_liquidation)


def _agree(summary: AccountSummary | None, earlier: Mapping[str, str | None] | None) -> bool:
    if summary is None or earlier is None:
        return False
    if summary.cash is not None and earlier["cash"] is not None:
        return _close(summary.cash, Decimal(earlier["cash"]), of=summary.cash)
    margin = earlier["maintenance_margin"]
    return margin is not None and summary.maintenance_margin == Decimal(margin)


def _close(one: Decimal, other: Decimal, *, of: Decimal | None) -> bool:
    return abs(one - other) <= max(_LEAST, abs(of or Decimal(0)) * _SHARE)


def _market_value(rows: Iterable[PositionRow]) -> Decimal | None:
    total = Decimal(0)
    for row in rows:
        if row.market_value is None:
            return None
        total += row.market_value
    return total


def _all_said_flat(rows: Collection[PositionRow], flat_keys: Collection[str]) -> bool:
    if not rows or not flat_keys:
        return False
    named = set(Instrument.objects.filter(key__in=flat_keys).values_list("pk", flat=True))
    return all(row.instrument_id in named for row in rows)


def _earlier_answer(account: Account) -> Mapping[str, str | None] | None:
    """Return the last complete answer if it was empty too and its summary supported that."""
    if account.empty_book_since is None:
        return None
    last = (
        SyncRun.objects.filter(account=account, finished_at__isnull=False)
        .exclude(outcome=SyncRun.Outcome.FAILED)
        .order_by("-finished_at")
        .first()
    )
    facts = last.counts.get(EMPTY_ANSWER) if last is not None else None
    return facts if facts and facts.get("supported") else None


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)
