"""An empty book out of nowhere: believed only when the money agrees, twice.

An account that held positions and suddenly holds none has either closed everything or its broker
has a bad minute. The summary tells them apart: without positions, cash is the whole net
liquidation and there is nothing to margin. A piece of evidence counts only where it can tell: cash
does not when the known book was worth nothing anyway (a spread), margin does not when none was
held before.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from portfolio.domain import AccountSummary

# Accrued interest and dividends may lie between cash and net liquidation.
_SHARE = Decimal("0.001")
_LEAST = Decimal(1)


class EmptyBook(StrEnum):
    TRUE = "true"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBook:
    """The last good book: what the empty answer is held against."""

    positions: int
    market_value: Decimal | None
    maintenance_margin: Decimal | None
    ever_synced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierEmptyAnswer:
    """The account's last complete answer, when it was empty, not yet believed, and supported."""

    cash: Decimal | None
    maintenance_margin: Decimal | None


def judge_empty_book(
    *,
    summary: AccountSummary | None,
    known: KnownBook,
    earlier: EarlierEmptyAnswer | None,
    all_said_flat: bool = False,
) -> EmptyBook:
    """Whether an answer without positions is true.

    ``all_said_flat``: the broker named every known position with a quantity of nought.
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
    """The summary is one of an account without positions."""
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
