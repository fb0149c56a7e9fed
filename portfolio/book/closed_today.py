"""What was traded in this session and is held no more, for the change of the day.

A position that is closed leaves the book, but not the day: it changed from the open, or from its
own fill, to the fill that closed it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from config.core.clock import market_now
from greeks.models import Instrument
from portfolio.accounts.days import session_dates_of
from portfolio.amounts import fitting_amount
from portfolio.book.day_fills import DayFill, base_of_the_day
from portfolio.book.writing_context import recent_fills
from portfolio.models import Account, Position, Quote


class ClosedLeg(NamedTuple):
    """A contract that an account traded in its session and holds no more.

    ``change`` is ``None`` if it was held at the open and no sure price of then is known.
    ``opening`` is the gross value held at the open; ``None`` if nothing was, or it is unknown.
    """

    account_id: str
    currency: str
    change: Decimal | None
    opening: Decimal | None


def legs_closed_today(accounts: Mapping[str, Account]) -> list[ClosedLeg]:
    """Return what closed in these accounts in the session each of them is in.

    Fills after an account's last sync are left out: they may have opened what its book does not
    show yet. One query; three if anything was traded.
    """
    dates = {pk: session_dates_of(account) for pk, account in accounts.items()}
    sessions = {pk: session_date_at(market_now()) for pk, session_date_at in dates.items()}
    traded: dict[tuple[str, int], list[DayFill]] = {}
    for account_id, fills in recent_fills(accounts.keys()).items():
        synced_at = accounts[account_id].last_synced_at
        for fill in fills:
            is_told = synced_at is not None and fill.at <= synced_at
            if is_told and dates[account_id](fill.at) == sessions[account_id]:
                traded.setdefault((account_id, fill.instrument_id), []).append(fill)
    if not traded:
        return []
    ids = {instrument_id for _, instrument_id in traded}
    held = set(
        Position.objects.filter(account__in=accounts.keys(), instrument__in=ids)
        .order_by()
        .values_list("account_id", "instrument_id")
    )
    instruments = Instrument.objects.select_related("quote").in_bulk(ids)
    return [
        _leg(account_id, fills, instruments[pk], dates[account_id], sessions[account_id])
        for (account_id, pk), fills in traded.items()
        if (account_id, pk) not in held
    ]


def _leg(
    account_id: str,
    fills: Sequence[DayFill],
    instrument: Instrument,
    session_date_at: Callable[[datetime], date],
    session: date,
) -> ClosedLeg:
    base: Decimal | None = None
    quote: Quote | None = getattr(instrument, "quote", None)
    if quote is not None and session_date_at(quote.as_of) == session:
        base = base_of_the_day(
            quote.opening_price,
            quote.previous_close,
            price=max(fills, key=lambda fill: fill.at).price,
            kind=instrument.kind,
        )
    # What the fills together sold was held at the open; what they bought, owed.
    held = -sum((fill.quantity for fill in fills), Decimal())
    if held and base is None:
        return ClosedLeg(account_id, instrument.currency, None, None)
    started = base or Decimal()
    change = sum(((started - fill.price) * fill.quantity for fill in fills), Decimal())
    return ClosedLeg(
        account_id,
        instrument.currency,
        fitting_amount(change * instrument.multiplier),
        fitting_amount(abs(started * held * instrument.multiplier)) if held else None,
    )
