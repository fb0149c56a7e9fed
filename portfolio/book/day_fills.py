"""An account's recent fills, for the change of the day.

The journal knows it and imports this app, so it registers its reader here. Without one, a position
counts as held since the open.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from django.utils.module_loading import import_string

from greeks.domain import InstrumentKind
from portfolio.amounts import fitting_amount
from portfolio.book.position_row import PositionRow
from portfolio.models import Position

# A close as it was told yesterday is not of the same share after a split. Two for one, with a move
# of a tenth beside it, is where the two can no longer be told apart.
_FALLEN_TO: Final = Decimal("0.55")
_RISEN_TO: Final = Decimal("1.8")


class DayFill(NamedTuple):
    """One fill. ``quantity`` is signed, bought positive; ``price`` as quoted.

    A split is none, and has neither: what was held is held, and its last close is of the old share.
    ``currency`` is the contract's.
    """

    instrument_id: int
    at: datetime
    currency: str
    quantity: Decimal = Decimal()
    price: Decimal = Decimal()
    is_split: bool = False


Priced = PositionRow | Position
SessionDates = Callable[[datetime], date]
FillReader = Callable[[Collection[str], datetime], Iterable[tuple[str, DayFill]]]
_readers: list[str] = []


def register_fill_reader(path: str) -> None:
    """Register, by dotted path, the function that reads accounts' fills since a time."""
    if path not in _readers:
        _readers.append(path)


def fills_since(account_ids: Collection[str], since: datetime) -> dict[str, list[DayFill]]:
    """Return the fills and splits of each account since then. One query."""
    found: dict[str, list[DayFill]] = {account_id: [] for account_id in account_ids}
    for path in _readers:
        for account_id, fill in _reader(path)(account_ids, since):
            found[account_id].append(fill)
    return found


def _reader(path: str) -> FillReader:
    found: FillReader = import_string(path)
    return found


def base_of_the_day(
    opening: Decimal | None,
    previous_close: Decimal | None,
    *,
    price: Decimal | None,
    kind: str,
    fills: Iterable[DayFill],
) -> Decimal | None:
    """Return what the change of the day starts from: the opening price, else the last close.

    ``None`` if neither is known, or if only a close is and it is not of the same contract: a split
    is among the session's ``fills``, or it is a share whose ``price`` is so far from it that one
    may have come overnight.
    """
    if opening is not None:
        return opening
    if any(fill.is_split for fill in fills):
        return None
    if not previous_close or kind != InstrumentKind.STOCK.value:
        return previous_close
    if price is not None and not _FALLEN_TO < price / previous_close < _RISEN_TO:
        return None
    return previous_close


def base_of_row(
    row: Priced, fills: Iterable[DayFill], *, session: date, session_date_at: SessionDates
) -> Decimal | None:
    """Return what the change of the day of a position starts from.

    A price of an earlier session is its last close still, so it has not moved in ``session``.
    """
    if row.price_as_of is not None and session_date_at(row.price_as_of) < session:
        return row.price
    return base_of_the_day(
        row.opening_price,
        row.previous_close,
        price=row.price,
        kind=row.instrument_type,
        fills=fills,
    )


def counted_fills(row: Priced, fills: Iterable[DayFill]) -> list[DayFill]:
    """Return the fills that the position's quantity has in it.

    Later ones are not in it yet. Those of one contract that is kept in several rows cannot be told
    apart, so they count as held.
    """
    return [] if row.sub_key else [fill for fill in fills if fill.at <= row.as_of]


def change_of_the_day(
    row: PositionRow,
    fills: Collection[DayFill],
    *,
    session: date,
    session_date_at: SessionDates,
) -> Decimal | None:
    """Return the change since the open (else the last close); what was traded since, from its fill.

    ``(price - opening) x held + sum of (price - fill price) x filled``, x multiplier, of the fills
    of ``counted_fills``.
    """
    price = row.price
    if price is None:
        return None
    base = base_of_row(row, fills, session=session, session_date_at=session_date_at)
    counted = counted_fills(row, fills)
    held = row.quantity - sum((fill.quantity for fill in counted), Decimal())
    if base is None and held:
        return None
    change = (price - base) * held if base is not None else Decimal()
    change += sum(((price - fill.price) * fill.quantity for fill in counted), Decimal())
    return fitting_amount(change * row.multiplier)
