"""Compare an empty answer with the stored book and the last empty answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from greeks.models import Instrument
from portfolio.book.position_row import PositionRow
from portfolio.domain import AccountSummary
from portfolio.models import Account, AccountStatus, SyncRun
from portfolio.sync.empty_book import (
    EarlierEmptyAnswer,
    EmptyBook,
    KnownBook,
    judge_empty_book,
    supports_empty_book,
)

# Key in a run's counts that remembers an empty answer for the next run to confirm.
EMPTY_ANSWER = "empty_answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyAnswer:
    """The verdict, and what the run remembers of an unconfirmed answer."""

    verdict: EmptyBook
    facts: Mapping[str, Any]


def judge_empty_answer(
    *,
    account: Account,
    summary: AccountSummary | None,
    flat_keys: Collection[str],
    stored: Iterable[PositionRow],
    status: AccountStatus | None,
) -> EmptyAnswer:
    """Judge an answer without positions. At most two queries.

    ``flat_keys`` are instruments the broker reports closed.
    """
    rows = list(stored)
    known = KnownBook(
        positions=len(rows),
        market_value=_market_value(rows),
        maintenance_margin=status.maint_margin if status is not None else None,
        ever_synced=account.last_synced_at is not None,
    )
    verdict = judge_empty_book(
        summary=summary,
        known=known,
        earlier=_earlier_answer(account),
        all_said_flat=_all_said_flat(rows, flat_keys),
    )
    facts: dict[str, Any] = {"supported": False, "cash": None, "maintenance_margin": None}
    if summary is not None:
        facts = {
            "supported": supports_empty_book(summary, known),
            "cash": _text(summary.cash),
            "maintenance_margin": _text(summary.maintenance_margin),
        }
    return EmptyAnswer(verdict=verdict, facts=facts)


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


def _earlier_answer(account: Account) -> EarlierEmptyAnswer | None:
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
    if not facts or not facts.get("supported"):
        return None
    return EarlierEmptyAnswer(
        cash=_number(facts.get("cash")), maintenance_margin=_number(facts.get("maintenance_margin"))
    )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _number(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
