"""A position as a plain row, for reading, valuing and writing at a tenth of a model's cost."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from django.db.models import QuerySet

from config.core.upsert import update_rows, upsert
from portfolio.models import Position

PositionKey = tuple[int, str]


class PositionRow(msgspec.Struct, kw_only=True):
    """The columns of ``Position`` by name. ``id`` is ``None`` until the row is stored.

    A struct is copied and compared by C: a revaluation does both to each row.
    """

    id: int | None = None
    account_id: str
    instrument_id: int
    sub_key: str
    symbol: str
    underlying: str
    instrument_type: str
    expiry: date | None
    strike: Decimal | None
    right: str
    multiplier: Decimal
    currency: str
    quantity: Decimal
    avg_price: Decimal | None
    price: Decimal | None = None
    price_source: str = ""
    price_as_of: datetime | None = None
    market_value: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    value_conflict: str = ""
    opening_price: Decimal | None = None
    previous_close: Decimal | None = None
    daily_change: Decimal | None = None
    delta: Decimal | None = None
    gamma: Decimal | None = None
    theta: Decimal | None = None
    vega: Decimal | None = None
    iv: Decimal | None = None
    delta_raw: float | None = None
    gamma_raw: float | None = None
    theta_raw: float | None = None
    vega_raw: float | None = None
    iv_raw: float | None = None
    underlying_price: Decimal | None = None
    greeks_source: str = ""
    greeks_as_of: datetime | None = None
    greeks_last_known: bool = False
    dte: int | None
    source: str
    as_of: datetime
    timestamp: datetime
    raw_json: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def key(self) -> PositionKey:
        """Identity of a position across two books of an account."""
        return (self.instrument_id, self.sub_key)


_COLUMNS = tuple(name for name in PositionRow.__struct_fields__ if name != "id")
_values = attrgetter(*_COLUMNS)
# The broker's own row is written but never needed for valuing.
_READ = tuple(name for name in PositionRow.__struct_fields__ if name != "raw_json")
_UNREAD = ("raw_json",)


class KnownPosition(NamedTuple):
    """The stored fields every position write needs, at a fifth of the cost of the whole row."""

    id: int
    quantity: Decimal
    price_as_of: datetime | None
    opening_price: Decimal | None
    previous_close: Decimal | None


def known_positions(account_id: str) -> dict[PositionKey, KnownPosition]:
    """Return the account's stored positions by instrument and sub-key. One query."""
    rows = Position.objects.filter(account_id=account_id).order_by()
    found = rows.values_list("instrument_id", "sub_key", *KnownPosition._fields)
    return {(row[0], row[1]): KnownPosition(*row[2:]) for row in found}


def stored_positions(
    account_id: str, *, ids: Collection[int] | None = None
) -> dict[PositionKey, PositionRow]:
    """Return the account's stored positions, or those in ``ids``, without raw rows. At most one
    query."""
    if ids is not None and not ids:
        return {}
    rows = Position.objects.filter(account_id=account_id)
    if ids is not None:
        rows = rows.filter(pk__in=ids)
    return {row.key: row for row in _rows(rows)}


def rows_of_accounts(account_ids: Collection[str]) -> dict[str, list[PositionRow]]:
    """Return each account's stored positions, without raw rows. One query."""
    found: dict[str, list[PositionRow]] = {account_id: [] for account_id in account_ids}
    for row in _rows(Position.objects.filter(account__in=account_ids)):
        found[row.account_id].append(row)
    return found


def _rows(stored: QuerySet[Position]) -> Iterator[PositionRow]:
    for row in stored.order_by().values_list(*_READ):
        yield PositionRow(**dict(zip(_READ, row, strict=True)))


def update_positions(changed: Sequence[tuple[PositionRow, PositionRow]]) -> None:
    """Update stored rows, given before and after, in the columns that any changed. One statement.

    Of a price that is four columns of forty.
    """
    if not changed:
        return
    earlier, later = (zip(*map(_values, rows), strict=True) for rows in zip(*changed, strict=True))
    columns = [
        name
        for name, before, after in zip(_COLUMNS, earlier, later, strict=True)
        if before != after
    ]
    values = attrgetter("id", *columns)
    rows = sorted((after for _, after in changed), key=lambda row: row.id or 0)
    update_rows(Position, ("id", *columns), [values(row) for row in rows])


def write_positions(rows: list[PositionRow], *, keep_raw: bool = False) -> None:
    """Insert or update the rows in key order, keeping known ids. One statement.

    ``keep_raw`` leaves the stored broker rows untouched.
    """
    upsert(
        Position,
        _COLUMNS,
        [_values(row) for row in sorted(rows, key=lambda row: row.key)],
        unique=("account_id", "instrument_id", "sub_key"),
        keep=_UNREAD if keep_raw else (),
    )
