"""Decide whether a suddenly empty book is real: only if the money agrees, twice.

An account that suddenly holds nothing has either closed everything, or its broker has a glitch. The
summary tells which: without positions, cash equals net liquidation and there is no margin. Each
check counts only where it can tell: cash cannot when the known book was worth nothing anyway (a
spread), margin cannot when there was none before.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from portfolio.domain import AccountSummary

# Accrued interest and dividends may separate cash from net liquidation.
_SHARE = Decimal("0.001")
_LEAST = Decimal(1)


class EmptyBook(StrEnum):
    TRUE = "true"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBook:
    """The last good book, to compare the empty answer with."""

    positions: int
    market_value: Decimal | None
    maintenance_margin: Decimal | None
    ever_synced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierEmptyAnswer:
    """The account's last complete answer, if it was empty, supported and not yet confirmed."""

    cash: Decimal | None
    maintenance_margin: Decimal | None


def judge_empty_book(
    *,
    summary: AccountSummary | None,
    known: KnownBook,
    earlier: EarlierEmptyAnswer | None,
    all_said_flat: bool = False,
) -> EmptyBook:
    """Decide whether an answer without positions is true.

    ``all_said_flat``: the broker listed every known position with quantity zero.
    """
    if known.ever_synced and known.positions == 0:
        return EmptyBook.TRUE
    if known.positions and all_said_flat:
        return EmptyBook.TRUE
    if summary is None or not supports_empty_book(summary, known):
        return EmptyBook.UNCONFIRMED
    if known.positions == 0:
        return EmptyBook.TRUE
    if earlier is not None and _agree(summary, earlier):
        return EmptyBook.TRUE
    return EmptyBook.UNCONFIRMED


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


def _agree(summary: AccountSummary, earlier: EarlierEmptyAnswer) -> bool:
    if summary.cash is not None and earlier.cash is not None:
        return _close(summary.cash, earlier.cash, of=summary.cash)
    return (
        summary.maintenance_margin is not None
        and summary.maintenance_margin == earlier.maintenance_margin
    )


def _close(one: Decimal, other: Decimal, *, of: Decimal | None) -> bool:
    return abs(one - other) <= max(_LEAST, abs(of or Decimal(0)) * _SHARE)
