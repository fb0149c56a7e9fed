"""Find the stored row that an incoming row repeats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from config.core.rows.reading import batched
from greeks.domain import Contract, InstrumentKind
from portfolio.domain import Broker, BrokerExecution, ExecutionKind
from trades.executions.fills import Fill, load_fills
from trades.executions.identity import (
    CLOCK_STEP,
    fingerprint,
    own_id,
    root_and_revision,
    same_price,
)

Moment = tuple[str, int, str, Decimal, datetime]


@dataclass(slots=True)
class Incoming:
    """A valid row, its account and instrument, and how it will be stored."""

    row: BrokerExecution
    #: What the row's contract is stored as.
    contract: Contract
    account_id: str
    instrument_id: int
    instrument_key: str
    at: datetime
    stored_id: str = ""
    mark: str = ""

    def __post_init__(self) -> None:
        if self.row.kind is ExecutionKind.TRADE and _converts(self.row):
            self.row = replace(self.row, kind=ExecutionKind.FX)
        self.stored_id = own_id(self.row)
        self.mark = fingerprint(self.row, self.account_id, self.instrument_key, self.at)


@dataclass(slots=True)
class Stored:
    """Stored rows, and those of this batch, by each of their names."""

    by_id: dict[str, Fill] = field(default_factory=dict)
    by_transaction: dict[tuple[str, str], Fill] = field(default_factory=dict)
    by_trade: dict[tuple[str, str], list[Fill]] = field(default_factory=lambda: defaultdict(list))
    by_mark: dict[str, list[Fill]] = field(default_factory=lambda: defaultdict(list))
    by_root: dict[str, list[Fill]] = field(default_factory=lambda: defaultdict(list))
    by_moment: dict[Moment, list[Fill]] = field(default_factory=lambda: defaultdict(list))
    #: Rows of the broker that rows of the export have matched so far.
    matched: set[str] = field(default_factory=set)

    def add(self, row: Fill) -> None:
        """Note a row under all its names."""
        if row.broker_execution_id in self.by_id:
            return
        self.by_id[row.broker_execution_id] = row
        if row.transaction_id:
            self.by_transaction[row.account_id, row.transaction_id] = row
        if row.trade_id:
            self.by_trade[row.account_id, row.trade_id].append(row)
        self.by_mark[row.fingerprint].append(row)
        self.by_moment[moment_of(row)].append(row)
        self.by_root[row.exec_root].append(row)

    def rename(self, row: Fill) -> None:
        """Note the id that a known row has taken, and that it is a revision of that id's root."""
        self.by_id[row.broker_execution_id] = row
        self.by_root[row.exec_root].remove(row)
        row.exec_root, row.revision = root_and_revision(Broker(row.broker), row.broker_execution_id)
        self.by_root[row.exec_root].append(row)

    def replace_revisions(self, roots: Iterable[str]) -> list[Fill]:
        """Mark all but the highest revision of each root as replaced; return what changed."""
        changed = []
        for root in roots:
            highest = max((row.revision for row in self.by_root[root]), default=0)
            for row in self.by_root[root]:
                if row.superseded != (row.revision < highest):
                    row.superseded = row.revision < highest
                    changed.append(row)
        return changed


def load_stored(
    broker: Broker, incoming: Sequence[Incoming], matched: set[str], *, are_new: bool = False
) -> Stored:
    """Load every stored row that one of these may repeat. A few queries for each batch.

    ``matched`` is what earlier rows of the export have matched. ``are_new``: the accounts had no
    rows before, so that only an id may be another's.

    The broker is compared here: told to the database, it would search by it alone.
    """
    stored = Stored(matched=matched)
    for batch in batched(incoming):
        ids = (item.stored_id for item in batch if item.stored_id)
        conditions = [
            Q(exec_root__in={root_and_revision(broker, each)[0] for each in ids}),
            Q(transaction_id__in={item.row.transaction_id for item in batch} - {""}),
            Q(trade_id__in={item.row.trade_id for item in batch} - {""}),
        ]
        if not are_new:
            conditions.append(Q(fingerprint__in={item.mark for item in batch}))
            if broker is Broker.TASTY:
                conditions.append(_at_moments(batch))
        for condition in conditions:
            for row in load_fills(condition):
                if row.broker == broker.value:
                    stored.add(row)
    return stored


def find_stored(item: Incoming, stored: Stored, taken: dict[str, int]) -> Fill | None:
    """Return the stored row this one repeats, ``None`` if it is new.

    ``taken`` counts, by fingerprint, the rows without ids that this file has matched so far: equal
    rows match equal rows one by one.
    """
    row = item.row
    if item.stored_id:
        known = stored.by_id.get(item.stored_id)
        if known is None and row.transaction_id:
            known = stored.by_transaction.get((item.account_id, row.transaction_id))
        if known is None and row.trade_id:
            known = _by_trade(item, stored)
        if known is None:
            # An export without ids came first: the row takes the broker's id.
            told = [*stored.by_mark.get(item.mark, ()), *_alike(item, stored)]
            exported = (row for row in told if row.broker_execution_id.startswith("F:"))
            known = next(exported, None)
        return known
    equal = stored.by_mark.get(item.mark, [])
    number = taken.get(item.mark, 0)
    taken[item.mark] = number + 1
    if number < len(equal):
        return equal[number]
    for other in _alike(item, stored):
        name = other.broker_execution_id
        if other not in equal and not name.startswith("F:") and name not in stored.matched:
            stored.matched.add(name)
            return other
    item.stored_id = f"F:{item.mark[:48]}:{number + 1}"
    return None


def _converts(row: BrokerExecution) -> bool:
    """Whether a fill of IBKR converts currencies: only statements say so."""
    return row.broker is Broker.IBKR and row.contract.kind is InstrumentKind.CURRENCY


def moment_of(row: Fill) -> Moment:
    """Return what an export and the broker's history tell alike of a row."""
    second = row.execution_time.replace(microsecond=0)
    return row.account_id, row.instrument_id, row.kind, row.quantity.normalize(), second


def _at_moments(batch: Sequence[Incoming]) -> Q:
    """Match rows of these contracts and times: exports and history meet in them."""
    times = [item.at.replace(microsecond=0) for item in batch]
    return Q(
        account__in={item.account_id for item in batch},
        instrument__in={item.instrument_id for item in batch},
        execution_time__gte=min(times),
        execution_time__lt=max(times) + CLOCK_STEP,
    )


def _alike(item: Incoming, stored: Stored) -> list[Fill]:
    """Return rows that may be this one told by another source of Tastytrade.

    An export may leave the side of an expiration out or tell it, and has the cash where the
    history has the price.
    """
    row, second = item.row, item.at.replace(microsecond=0)
    key = (item.account_id, item.instrument_id, row.kind.value, row.quantity.normalize(), second)
    return [
        other
        for other in stored.by_moment.get(key, ())
        if (row.side is None or other.side in ("", row.side.value))
        and (not row.order_id or other.order_id in ("", row.order_id))
        and _is_same_cash(item, other)
    ]


def _is_same_cash(item: Incoming, known: Fill) -> bool:
    row = item.row
    if same_price(row.price, known.price) or _settles(row, known) or _is_settled(row, known):
        return True
    if EXPORT not in (row.source, known.source) or row.price is None or known.price is None:
        return False
    units = row.quantity * item.contract.multiplier
    return bool(abs(row.price - known.price) * units <= _HALF_A_CENT)


def _settles(row: BrokerExecution, known: Fill) -> bool:
    """Whether the row tells the cash of an option that was booked at zero."""
    return row.kind is ExecutionKind.CASH_SETTLEMENT and known.kind in _BOOKED and not known.price


def _is_settled(row: BrokerExecution, known: Fill) -> bool:
    """Whether the row books at zero an option whose cash is known."""
    settled = known.kind == ExecutionKind.CASH_SETTLEMENT.value
    return settled and row.kind.value in _BOOKED and not row.price


def _by_trade(item: Incoming, stored: Stored) -> Fill | None:
    """A trade id names a fill only where one of the two has nothing better.

    A trade that was booked again keeps its trade id under a new execution id.
    """
    candidates = [
        other
        for other in stored.by_trade.get((item.account_id, item.row.trade_id), ())
        if not (item.row.broker_execution_id and _has_execution_id(other))
        and other.instrument_id == item.instrument_id
        and other.quantity == item.row.quantity
    ]
    return candidates[-1] if candidates else None


def _has_execution_id(row: Fill) -> bool:
    return row.broker_execution_id[:2] not in ("T:", "D:", "F:")


def conflict(item: Incoming, known: Fill) -> str:
    """Return which economic field contradicts the stored row; empty if none does."""
    row = item.row
    if known.account_id != item.account_id:
        return f"account: stored under {known.account_id}"
    if known.instrument_id != item.instrument_id:
        return f"contract: stored as {known.symbol}"
    if row.side is not None and known.side and row.side.value != known.side:
        return f"side: stored as {known.side}"
    if row.quantity != known.quantity:
        return f"quantity: {row.quantity.normalize():f}, stored as {known.quantity.normalize():f}"
    if not _is_same_cash(item, known):
        return f"price: {row.price}, stored as {known.price}"
    if abs(item.at - known.execution_time) > CLOCK_STEP:
        stored = f"{known.execution_time:%Y-%m-%d %H:%M:%S}"
        return f"time: {item.at:%Y-%m-%d %H:%M:%S}, stored as {stored}"
    return ""


def complete(item: Incoming, known: Fill) -> bool:
    """Fill in what the stored row lacks, and costs that the broker has corrected since.

    Returns whether anything changed. A statement's costs are final: nothing but a statement
    changes them.
    """
    row = item.row
    changes: dict[str, object] = {}
    if row.broker_execution_id and not _has_execution_id(known):
        changes["broker_execution_id"] = item.stored_id
        if row.price is not None:
            changes["price"] = row.price
    if not known.side and row.side is not None:
        changes["side"] = row.side.value
    for name in ("transaction_id", "trade_id", "order_id", "position_effect"):
        if getattr(row, name) and not getattr(known, name):
            changes[name] = getattr(row, name)
    if _settles(row, known):
        changes |= {"kind": row.kind.value, "price": row.price}
    if row.kind is ExecutionKind.FX:
        changes |= {"kind": row.kind.value} if known.kind != row.kind.value else {}
    final = known.source in STATEMENTS and row.source not in STATEMENTS
    cash = () if _is_settled(row, known) else ("value", "net_value")
    for name in ("commission", "fees", *cash, "broker_realized_pnl", "price"):
        new, old = getattr(row, name), getattr(known, name)
        if new is not None and (old is None or (new != old and name != "price" and not final)):
            changes[name] = new
    if changes and row.source in STATEMENTS and not final:
        changes["source"] = row.source
    for name, value in changes.items():
        setattr(known, name, value)
    return bool(changes)


#: Its prices are cash, rounded to the cent, over the quantity.
EXPORT = "tastytrade_csv"
_HALF_A_CENT = Decimal("0.0051")
_BOOKED = frozenset({ExecutionKind.ASSIGNMENT.value, ExecutionKind.EXERCISE.value})
#: Sources whose costs are final.
STATEMENTS = frozenset({"flex", "tastytrade_csv", "ibkr_csv"})
