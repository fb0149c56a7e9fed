"""The stored lots of an account's underlyings, as the grouping reads them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef

from config.core.rows.reading import batched, read_rows
from greeks.calendar.exchanges import NYSE, exchange_of_currency
from greeks.domain import InstrumentKind, Right
from greeks.models import Instrument
from greeks.underlyings import product_name
from portfolio.domain import CARRIES_LOTS, ExecutionKind
from trades.lots.events_reading import of_instruments
from trades.models import TradeExecution, TradeLot, TradeOverride
from trades.strategies.opening import ZERO, Closing, LegContract, Opening, Part
from trades.strategies.overrides import Override
from trades.underlyings import of_underlyings

#: No broker takes more legs in one order.
_MOST_LEGS = 6
_NEVER = datetime.max.replace(tzinfo=UTC)
_CONTRACT = (
    "id", "kind", "underlying", "currency", "expiry", "strike", "right", "multiplier",
    "deliverable_shares",
)  # fmt: skip
_FILL = (
    "id",
    "exec_root",
    "order_id",
    "kind",
    "side",
    "instrument_id",
    "execution_time",
    "currency",
)


_Moment = tuple[str, datetime]


class _Lot(NamedTuple):
    """The columns of a stored lot that trades are made of."""

    instrument_id: int
    opened_by_id: int | None
    closed_by_id: int | None
    closed_at: datetime | None
    closed_kind: str
    currency: str
    awaiting: bool
    quantity: Decimal
    open_price: Decimal | None
    close_price: Decimal | None
    open_costs: Decimal | None
    close_costs: Decimal | None
    gross: Decimal | None
    net: Decimal | None


_LOT = _Lot._fields


def underlyings_of(instruments: Iterable[int]) -> Counter[str]:
    """Return the underlyings of these instruments, with how many are of each."""
    found: Counter[str] = Counter()
    for part in batched(sorted(instruments)):
        names = Instrument.objects.filter(pk__in=part).values_list("underlying", flat=True)
        found.update(map(product_name, names))
    return found


def families_of(account_id: str, contracts: Counter[str], most: int) -> Iterator[set[str]]:
    """Yield these underlyings with those that a corporate action of the account connects to them.

    Lots move between these, so their trades are computed together. Others are added to them as long
    as they have at most so many of the ``contracts``.
    """
    carried = TradeExecution.objects.filter(
        account=account_id, kind__in=[kind.value for kind in CARRIES_LOTS]
    ).order_by()
    moments: dict[str, set[_Moment]] = defaultdict(set)
    names: dict[_Moment, set[str]] = defaultdict(set)
    for name, kind, at in carried.values_list("instrument__underlying", "kind", "execution_time"):
        # As the lots: rows of one action may differ in fractions of a second.
        moment, product = (kind, at.replace(microsecond=0)), product_name(name)
        moments[product].add(moment)
        names[moment].add(product)
    together: set[str] = set()
    done: set[str] = set()
    number = 0
    for name in sorted(contracts):
        if name in done:
            continue
        family, ends = {name}, [name]
        while ends:
            more = {each for moment in moments.get(ends.pop(), ()) for each in names[moment]}
            ends += more - family
            family |= more
        done |= family
        size = sum(contracts[each] for each in family)
        if together and number + size > most:
            yield together
            together, number = set(), 0
        together |= family
        number += size
    if together:
        yield together


def read_openings(account_id: str, underlyings: Iterable[str]) -> list[Opening]:
    """Return the opening fills of these underlyings with their lots."""
    contracts = _contracts(account_id, underlyings)
    fills = _read_fills(account_id, contracts)
    lots = [
        _Lot(*row)
        for part in of_instruments(contracts)
        for row in read_rows(TradeLot.objects.filter(part, account=account_id).order_by(), _LOT)
    ]
    # An opening's lots in the order they ended, what is open last.
    lots.sort(key=lambda lot: (lot.closed_at or _NEVER, lot.closed_by_id or 0))
    found: dict[tuple[bool, int], Opening] = {}
    for lot in lots:
        fill = fills[lot.opened_by_id or lot.closed_by_id or 0]
        is_known = lot.opened_by_id is not None
        opening = found.get((is_known, fill.key))
        if opening is None:
            opening = found[is_known, fill.key] = Opening(
                key=fill.key,
                at=fill.at,
                session=fill.session,
                order=fill.order,
                kind=fill.kind,
                is_known=is_known,
                execution=fill.id,
            )
        contract, multiplier = contracts[lot.instrument_id]
        opening.parts.append(
            Part(
                contract=contract,
                quantity=lot.quantity,
                multiplier=multiplier,
                closing=_closing(lot, fills),
                open_price=lot.open_price,
                close_price=lot.close_price,
                open_costs=lot.open_costs or ZERO,
                close_costs=lot.close_costs or ZERO,
                gross=lot.gross,
                net=lot.net,
            )
        )
    return list(found.values())


def read_overrides(account_id: str, underlyings: Iterable[str]) -> dict[int, Override]:
    """Return what readers say on the openings of these underlyings."""
    rows = TradeOverride.objects.filter(
        of_underlyings(underlyings, "opening__instrument__underlying"), opening__account=account_id
    ).values_list("opening_id", "kind", "anchor_id")
    return {
        key: Override(kind == TradeOverride.Kind.JOIN.value, anchor) for key, kind, anchor in rows
    }


def _contracts(
    account_id: str, underlyings: Iterable[str]
) -> dict[int, tuple[LegContract, Decimal]]:
    """Return the contracts of these underlyings that an account traded, with their multipliers."""
    own = TradeExecution.objects.filter(account=account_id, instrument=OuterRef("pk"))
    rows = Instrument.objects.filter(Exists(own), of_underlyings(underlyings)).order_by()
    return {
        key: (
            LegContract(
                id=key,
                kind=InstrumentKind(kind),
                underlying=product_name(underlying),
                currency=currency,
                units=multiplier if delivers is None else delivers,
                expiry=expiry,
                strike=strike,
                right=Right(right) if right else None,
            ),
            multiplier,
        )
        for (
            key, kind, underlying, currency, expiry, strike, right, multiplier, delivers,
        ) in read_rows(rows, _CONTRACT)
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Fill:
    """An execution: ``key`` is its first revision, ``order`` names those it goes together with."""

    id: int
    key: int
    at: datetime
    kind: ExecutionKind
    session: date
    order: str


def _read_fills(account_id: str, instruments: Iterable[int]) -> dict[int, _Fill]:
    """Return the executions of an account by id. Rows of no known order go by the second."""
    rows = sorted(
        row
        for part in of_instruments(instruments)
        for row in read_rows(
            TradeExecution.objects.filter(part, account=account_id).order_by(), _FILL
        )
    )
    first: dict[str, int] = {}
    sessions: list[date] = []
    contracts: dict[tuple[str, date], set[tuple[int, str]]] = defaultdict(set)
    for key, root, order, kind, side, instrument, at, currency in rows:
        first.setdefault(root, key)
        session = session_of(at, currency)
        sessions.append(session)
        if kind == ExecutionKind.TRADE.value and order:
            contracts[order, session].add((instrument, side))
    # One order never buys and sells one contract: some exports hold one number throughout.
    believed = {
        named: f"{named[0]} {named[1]}"
        for named, traded in contracts.items()
        if len({instrument for instrument, _ in traded}) == len(traded) <= _MOST_LEGS
    }
    found = {}
    for (key, root, order, kind, _, _, at, _), session in zip(rows, sessions, strict=True):
        name = believed.get((order, session)) if kind == ExecutionKind.TRADE.value else None
        name = name or f"{kind} {at.replace(microsecond=0).isoformat()}"
        found[key] = _Fill(key, first[root], at, ExecutionKind(kind), session, name)
    return found


def _closing(lot: _Lot, fills: Mapping[int, _Fill]) -> Closing | None:
    if lot.closed_by_id is not None:
        fill = fills[lot.closed_by_id]
        return Closing(
            execution=fill.id,
            key=fill.key,
            at=fill.at,
            kind=ExecutionKind(lot.closed_kind),
            order=fill.order,
            session=fill.session,
        )
    if lot.closed_at is None:
        return None
    return Closing(
        execution=None,
        key=None,
        at=lot.closed_at,
        kind=ExecutionKind(lot.closed_kind),
        order=f"expired {lot.closed_at.isoformat()}",
        session=session_of(lot.closed_at, lot.currency),
        awaiting=lot.awaiting,
    )


def units_of(row: Instrument) -> Decimal:
    """Return what one contract delivers: its multiplier, unless a split changed that."""
    units: Decimal = row.multiplier if row.deliverable_shares is None else row.deliverable_shares
    return units


def session_of(at: datetime, currency: str) -> date:
    """Return the exchange's day of an instant."""
    return at.astimezone(_zone_of(currency)).date()


@lru_cache(maxsize=32)
def _zone_of(currency: str) -> ZoneInfo:
    return (exchange_of_currency(currency) or NYSE).zone
