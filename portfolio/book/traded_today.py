"""Trades of the current session, for the change of the day.

A position that is closed leaves the book, but not the day: it changed from the open, or from its
own fill, to the fill that closed it. One that is sold in part no longer tells what the day began
with, so a percentage of the day needs its fills too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from config.core.clock import market_now
from greeks.models import Instrument
from portfolio.accounts.days import session_dates_of
from portfolio.amounts import fitting_amount
from portfolio.book.day_fills import (
    DayFill,
    SessionDates,
    base_of_row,
    base_of_the_day,
    counted_fills,
)
from portfolio.book.writing_context import fills_of_session, recent_fills
from portfolio.models import Account, Position, Quote


class TradedLeg(NamedTuple):
    """What a contract that an account traded in its session adds to the sums of its positions.

    ``change`` is zero while it is held; ``None`` if it was held at the open and no sure price of
    then is known. ``opening`` is the most that was at work in it (``most_at_work``), without what
    its position shows of that; ``None`` if it is unknown.
    """

    account_id: str
    instrument_type: str
    underlying: str
    currency: str
    change: Decimal | None
    opening: Decimal | None


def legs_traded_today(accounts: Mapping[str, Account]) -> list[TradedLeg]:
    """Return what these accounts traded in the session that each contract is in.

    Of what is held no more, fills after the account's last sync are left out: they may have opened
    what its book does not show yet. One query; three if anything was traded.
    """
    at, sessions = market_now(), {pk: session_dates_of(each) for pk, each in accounts.items()}
    traded = {
        (pk, instrument_id): fills
        for pk, recent in recent_fills(accounts.keys()).items()
        for instrument_id, fills in fills_of_session(recent, sessions[pk], at=at).items()
        if not all(fill.is_split for fill in fills)
    }
    if not traded:
        return []
    ids = {instrument_id for _, instrument_id in traded}
    held = {
        (row.account_id, row.instrument_id): row
        for row in Position.objects.filter(account__in=accounts.keys(), instrument__in=ids)
        .order_by()
        .defer("raw_json")
    }
    instruments = Instrument.objects.select_related("quote").in_bulk(ids)
    legs = []
    for (account_id, pk), fills in traded.items():
        row, synced_at = held.get((account_id, pk)), accounts[account_id].last_synced_at
        date_at = sessions[account_id].of(instruments[pk].currency).date_at
        told = [fill for fill in fills if synced_at is not None and fill.at <= synced_at]
        if row is not None:
            legs += _held(row, fills, date_at, date_at(at))
        elif not all(fill.is_split for fill in told):
            legs.append(_closed(account_id, told, instruments[pk], date_at, date_at(at)))
    return legs


def most_at_work(held: Decimal, base: Decimal, fills: Iterable[DayFill]) -> Decimal:
    """Return the most that was at work in a contract at a time, per unit of its multiplier.

    That is the gross value held at the open, at ``base``, or what it was after a fill: one that
    adds adds its cost, one that closes takes its part away.
    """
    quantity, cost = held, abs(held * base)
    most = cost
    for fill in sorted(fills, key=lambda fill: fill.at):
        after = quantity + fill.quantity
        if quantity * fill.quantity >= 0:
            cost += abs(fill.quantity * fill.price)
        elif quantity * after >= 0:
            cost = cost * after / quantity
        else:
            cost = abs(after * fill.price)
        quantity, most = after, max(most, cost)
    return most


def _held(
    row: Position, fills: Sequence[DayFill], session_date_at: SessionDates, session: date
) -> list[TradedLeg]:
    counted = counted_fills(row, fills)
    if not counted or row.daily_change is None or row.market_value is None:
        return []
    held = row.quantity - sum((fill.quantity for fill in counted), Decimal())
    base = base_of_row(row, fills, session=session, session_date_at=session_date_at)
    most = most_at_work(held, base or Decimal(), counted) * row.multiplier
    shown = abs(row.market_value - row.daily_change)
    return [_of(row.account_id, row, Decimal(), most - shown)]


def _closed(
    account_id: str,
    fills: Sequence[DayFill],
    instrument: Instrument,
    session_date_at: SessionDates,
    session: date,
) -> TradedLeg:
    base: Decimal | None = None
    quote: Quote | None = getattr(instrument, "quote", None)
    if quote is not None and session_date_at(quote.as_of) == session:
        base = base_of_the_day(
            quote.opening_price,
            quote.previous_close,
            price=max(fills, key=lambda fill: (not fill.is_split, fill.at)).price,
            kind=instrument.kind,
            fills=fills,
        )
    # What the fills together sold was held at the open; what they bought, owed.
    held = -sum((fill.quantity for fill in fills), Decimal())
    if held and base is None:
        return _of(account_id, instrument, None, None)
    started = base or Decimal()
    change = sum(((started - fill.price) * fill.quantity for fill in fills), Decimal())
    most = most_at_work(held, started, fills)
    return _of(account_id, instrument, change * instrument.multiplier, most * instrument.multiplier)


def _of(
    account_id: str,
    traded: Position | Instrument,
    change: Decimal | None,
    opening: Decimal | None,
) -> TradedLeg:
    return TradedLeg(
        account_id,
        traded.instrument_type if isinstance(traded, Position) else traded.kind,
        traded.underlying,
        traded.currency,
        fitting_amount(change),
        fitting_amount(opening),
    )
