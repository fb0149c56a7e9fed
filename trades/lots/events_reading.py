"""The stored executions of an account, as the lot engine reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from django.db import connection
from django.db.models import Q, QuerySet

from config.core.rows.reading import BATCH, batched, read_rows
from greeks.calendar.exchanges import NYSE
from greeks.domain import InstrumentKind
from greeks.providers.decoding import BadRow, parse_decimal
from portfolio.domain import CARRIES_LOTS, ExecutionKind, Side
from trades.lots.events import PositionEvent
from trades.lots.matching import LotMethod
from trades.models import JournalSettings, TradeExecution

ZERO = Decimal(0)
#: Instruments that one statement of PostgreSQL names; it takes any number.
_AT_ONCE: Final = 50_000
_LAST_OF_DAY: Final = timedelta(hours=23)
_CARRY = [kind.value for kind in CARRIES_LOTS]
_EXCHANGES = (ExecutionKind.SPLIT.value, ExecutionKind.MERGER.value)
_OPTIONS = [
    kind.value
    for kind in (InstrumentKind.OPTION, InstrumentKind.FUTURE_OPTION, InstrumentKind.EVENT)
]
#: "XYZ(US0000000001) SPLIT 3 FOR 2".
_RATIO = re.compile(r"\bsplit (\d+(?:\.\d+)?) for (\d+(?:\.\d+)?)\b", re.IGNORECASE | re.ASCII)


class _Row(NamedTuple):
    """The columns of an execution, and of its instrument, that an event is made of."""

    id: int
    instrument_id: int
    kind: str
    side: str
    quantity: Decimal
    price: Decimal | None
    execution_time: datetime
    position_effect: str
    currency: str
    commission: Decimal | None
    fees: Decimal | None
    value: Decimal | None
    exec_root: str
    broker_execution_id: str
    order_id: str
    superseded: bool
    cancelled_by: str
    instrument_kind: str
    multiplier: Decimal
    underlying: str
    right: str
    expiry: date | None
    strike: Decimal | None


_COLUMNS = (
    *_Row._fields[:-6], "instrument__kind", "instrument__multiplier", "instrument__underlying",
    "instrument__right", "instrument__expiry", "instrument__strike",
)  # fmt: skip


def position_events(executions: QuerySet[TradeExecution]) -> list[PositionEvent]:
    """Return the live executions as events, in no order; costs are summed over a root's revisions.

    A rebooked trade has no commission of its own: its first row keeps it.
    """
    # To sort here would have the database search by time alone.
    rows = [_Row(*row) for row in read_rows(executions.order_by(), _COLUMNS)]
    costs: dict[str, Decimal] = {}
    for row in rows:
        paid = (row.commission or ZERO) + (row.fees or ZERO)
        costs[row.exec_root] = costs.get(row.exec_root, ZERO) + paid
    told = _told(executions) if any(row.kind in _EXCHANGES for row in rows) else {}
    return [
        _event(row, costs, told.get(row.id, {}))
        for row in rows
        if not row.superseded and not row.cancelled_by
    ]


def _told(executions: QuerySet[TradeExecution]) -> dict[int, dict[str, Decimal]]:
    """Return what splits say they give for one share, and mergers what shares are worth."""
    rows = executions.filter(kind__in=_EXCHANGES).order_by()
    found: dict[int, dict[str, Decimal]] = {}
    for pk, payload in rows.values_list("id", "raw_payload"):
        split = _RATIO.search(str(payload.get("description", "")))
        if split is not None and Decimal(split[1]) and Decimal(split[2]):
            found[pk] = {"ratio": Decimal(split[1]) / Decimal(split[2])}
        with suppress(BadRow):
            worth = parse_decimal(payload.get("value"), "value")
            if worth is not None:
                found[pk] = found.get(pk, {}) | {"worth": abs(worth)}
    return found


def of_instruments(instruments: Iterable[int]) -> Iterator[Q]:
    """Yield conditions that together are true for the rows of these instruments.

    PostgreSQL may read all rows of an account for each condition: it gets few.
    """
    size = _AT_ONCE if connection.vendor == "postgresql" else BATCH
    for ids in batched(sorted(instruments), size):
        yield Q(instrument__in=ids)


def connected_instruments(accounts: Iterable[str], instruments: Iterable[int]) -> set[int]:
    """Return the instruments and those that corporate actions of the accounts connect to them."""
    rows = TradeExecution.objects.filter(account__in=list(accounts), kind__in=_CARRY).values_list(
        "account_id", "kind", "execution_time", "instrument_id"
    )
    carried = [(row[0], row[1], row[2].replace(microsecond=0), row[3]) for row in rows]
    found = set(instruments)
    while True:
        moments = {row[:3] for row in carried if row[3] in found}
        more = {row[3] for row in carried if row[:3] in moments} - found
        if not more:
            return found
        found |= more


def methods_of(accounts: Iterable[str]) -> dict[str, LotMethod]:
    """Return how the accounts' lots are matched. One query."""
    ids = list(accounts)
    chosen = JournalSettings.objects.filter(account__in=ids).values_list("account", "lot_method")
    return dict.fromkeys(ids, LotMethod.FIFO) | {pk: LotMethod(name) for pk, name in chosen}


def _instant(row: _Row) -> datetime:
    """Return when it counts: of a transfer out that tells its day only, when that day ends.

    Statements tell a transfer's day, read as its midnight; what was sold that day was there still.
    """
    gives = row.kind == ExecutionKind.TRANSFER.value and row.position_effect == "CLOSE"
    if gives and row.execution_time.astimezone(NYSE.zone).time() == time():
        return row.execution_time + _LAST_OF_DAY
    return row.execution_time


def _event(row: _Row, costs: dict[str, Decimal], told: dict[str, Decimal]) -> PositionEvent:
    name = row.broker_execution_id
    return PositionEvent(
        id=row.id,
        instrument=row.instrument_id,
        multiplier=row.multiplier,
        kind=ExecutionKind(row.kind),
        quantity=-row.quantity if row.side == Side.SELL.value else row.quantity,
        at=_instant(row),
        price=row.price,
        costs=costs[row.exec_root],
        position_effect=row.position_effect,
        is_side_known=bool(row.side),
        currency=row.currency,
        value=row.value,
        action=row.order_id,
        is_option=row.instrument_kind in _OPTIONS,
        underlying=row.underlying,
        right=row.right,
        expiry=row.expiry,
        strike=row.strike,
        ratio=told.get("ratio"),
        worth=told.get("worth"),
        sequence=(int(name) if name.isdigit() else 0, name),
    )
