"""Assigned and exercised options without their shares, and shares without their options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from greeks.domain import InstrumentKind, Right
from greeks.models import Instrument
from greeks.underlyings import product_name
from portfolio.domain import ExecutionKind
from portfolio.models import Account
from trades.models import TradeExecution, TradeLot
from trades.strategies.deliveries import Place, Shares, link_deliveries, moved_by
from trades.strategies.reading import session_of, units_of

_DELIVERING: Final = (ExecutionKind.ASSIGNMENT.value, ExecutionKind.EXERCISE.value)
_OPTIONS: Final = (InstrumentKind.OPTION.value, InstrumentKind.FUTURE_OPTION.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlinked:
    """A row of which ``units`` (shares or futures, received positive) found no counterpart."""

    account_id: str
    symbol: str
    kind: str
    at: datetime
    units: Decimal
    price: Decimal
    cause: str


@dataclass(frozen=True, slots=True)
class _Row:
    shares: Shares
    at: datetime
    kind: str
    instrument: Instrument


def unlinked_deliveries(accounts: Sequence[Account]) -> list[Unlinked]:
    """Return assignments, exercises and deliveries without a link, newest first.

    Cash settlements move no shares. Two queries.
    """
    ids = [account.pk for account in accounts]
    ended, booked = _ended(ids), _booked(ids)
    link_deliveries([row.shares for row in ended], [row.shares for row in booked])
    lonely = [(row, _cause_of_end(row, _by_place(booked))) for row in ended if row.shares.left]
    lonely += [(row, _cause_of_shares(row, _by_place(ended))) for row in booked if row.shares.left]
    found = [
        Unlinked(
            account_id=row.shares.place[0],
            symbol=row.instrument.symbol,
            kind=row.kind,
            at=row.at,
            units=row.shares.left,
            price=row.shares.prices[0],
            cause=cause,
        )
        for row, cause in lonely
    ]
    return sorted(found, key=lambda row: (row.at, row.symbol), reverse=True)


def _ended(accounts: Sequence[str]) -> list[_Row]:
    lots = TradeLot.objects.filter(
        account__in=accounts,
        closed_kind__in=_DELIVERING,
        closed_by__isnull=False,
        instrument__kind__in=_OPTIONS,
        instrument__strike__isnull=False,
    ).select_related("instrument")
    quantities: dict[int, Decimal] = {}
    last: dict[int, TradeLot] = {}
    for lot in lots:
        key = lot.closed_by_id or 0
        quantities[key] = quantities.get(key, Decimal(0)) + lot.quantity
        last[key] = lot
    rows = []
    for key, lot in last.items():
        option = lot.instrument
        if lot.closed_at is None or option.strike is None:
            continue
        shares = moved_by(
            key=key,
            place=_place(lot.account_id, option, lot.closed_at, lot.currency),
            kind=InstrumentKind(option.kind),
            right=Right(option.right),
            strike=option.strike,
            quantity=quantities[key],
            multiplier=option.multiplier,
            units=units_of(option),
        )
        rows.append(_Row(shares, lot.closed_at, lot.closed_kind, option))
    return rows


def _booked(accounts: Sequence[str]) -> list[_Row]:
    rows = TradeExecution.objects.filter(
        account__in=accounts,
        kind=ExecutionKind.DELIVERY.value,
        superseded=False,
        cancelled_by="",
        price__isnull=False,
    ).select_related("instrument")
    found = []
    for row in rows:
        place = _place(row.account_id, row.instrument, row.execution_time, row.currency)
        prices = () if row.price is None else (row.price,)
        shares = Shares(key=row.pk, place=place, units=row.signed_quantity, prices=prices)
        found.append(_Row(shares, row.execution_time, row.kind, row.instrument))
    return found


def _place(account_id: str, row: Instrument, at: datetime, currency: str) -> Place:
    return account_id, product_name(row.underlying), currency, session_of(at, currency)


def _by_place(rows: Sequence[_Row]) -> dict[Place, list[_Row]]:
    found: dict[Place, list[_Row]] = {}
    for row in rows:
        if row.shares.left:
            found.setdefault(row.shares.place, []).append(row)
    return found


def _cause_of_end(row: _Row, booked: Mapping[Place, Sequence[_Row]]) -> str:
    if row.instrument.is_adjusted and row.instrument.deliverable_shares is None:
        return "A split changed the contract, and what it delivers is not known."
    if booked.get(row.shares.place):
        return "What was booked that day has another price or direction. Check the statement."
    if row.shares.left != row.shares.units:
        return "Only a part was booked. Import the statement of that day."
    return "What it delivered is not in the journal. Import the statement of that day."


def _cause_of_shares(row: _Row, ended: Mapping[Place, Sequence[_Row]]) -> str:
    if ended.get(row.shares.place):
        return "The options that ended that day have another strike or direction."
    return "No assignment or exercise of that day explains it. Import the statement of that day."
