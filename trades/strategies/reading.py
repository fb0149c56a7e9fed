"""The stored lots of an account's underlyings, as the grouping reads them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from greeks.calendar.exchanges import NYSE, exchange_of_currency
from greeks.domain import InstrumentKind, Right
from greeks.models import Instrument
from portfolio.domain import CARRIES_LOTS, ExecutionKind
from trades.models import TradeExecution, TradeLot, TradeOverride
from trades.strategies.opening import ZERO, Closing, LegContract, Opening, Part
from trades.strategies.overrides import Override

#: No broker takes more legs in one order.
_MOST_LEGS = 6
_FILL = (
    "id", "exec_root", "order_id", "kind", "side", "instrument_id", "execution_time", "currency",
)  # fmt: skip


def family_of(account_id: str, instruments: Iterable[int]) -> set[str]:
    """Return the underlyings of these instruments, and those a corporate action connects to them.

    Lots move between them, so their trades are computed together.
    """
    found = set(
        Instrument.objects.filter(pk__in=list(instruments)).values_list("underlying", flat=True)
    )
    carried = list(
        TradeExecution.objects.filter(
            account=account_id, kind__in=[kind.value for kind in CARRIES_LOTS]
        ).values_list("kind", "execution_time", "instrument__underlying")
    )
    while True:
        moments = {(kind, at) for kind, at, underlying in carried if underlying in found}
        more = {name for kind, at, name in carried if (kind, at) in moments} - found
        if not more:
            return found
        found |= more


def read_openings(account_id: str, underlyings: Iterable[str]) -> list[Opening]:
    """Return the opening fills of these underlyings with their lots. Two queries."""
    names = list(underlyings)
    fills = _Fills(
        TradeExecution.objects.filter(account=account_id, instrument__underlying__in=names)
        .order_by("id")
        .values_list(*_FILL, named=True)
    )
    lots = TradeLot.objects.filter(account=account_id, instrument__underlying__in=names)
    found: dict[tuple[bool, int], Opening] = {}
    for lot in lots.select_related("instrument").order_by("opened_at", "closed_at", "closed_by"):
        fill = fills.by_id[lot.opened_by_id or lot.closed_by_id or 0]
        key = fills.first[fill.exec_root]
        opening = found.get((lot.opened_by_id is not None, key))
        if opening is None:
            opening = found[lot.opened_by_id is not None, key] = Opening(
                key=key,
                at=fill.execution_time,
                session=session_of(fill.execution_time, fill.currency),
                order=fills.order(fill),
                kind=ExecutionKind(fill.kind),
                is_known=lot.opened_by_id is not None,
                execution=fill.id,
            )
        opening.parts.append(_part(lot, fills))
    return list(found.values())


def read_overrides(account_id: str, underlyings: Iterable[str]) -> dict[int, Override]:
    """Return what readers say on the openings of these underlyings."""
    rows = TradeOverride.objects.filter(
        opening__account=account_id, opening__instrument__underlying__in=list(underlyings)
    ).values_list("opening_id", "kind", "anchor_id")
    return {
        key: Override(kind == TradeOverride.Kind.JOIN.value, anchor) for key, kind, anchor in rows
    }


class _Fills:
    """The executions by id, the first revision of each root, and which order ids to believe."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self.by_id: dict[int, Any] = {}
        self.first: dict[str, int] = {}
        sides: dict[tuple[str, date], set[tuple[int, str]]] = defaultdict(set)
        for row in rows:
            self.by_id[row.id] = row
            self.first.setdefault(row.exec_root, row.id)
            if row.kind == ExecutionKind.TRADE.value and row.order_id:
                session = session_of(row.execution_time, row.currency)
                sides[row.order_id, session].add((row.instrument_id, row.side))
        #: One order never buys and sells one contract: some exports hold one number throughout.
        self.believed = {
            order
            for order, contracts in sides.items()
            if len({instrument for instrument, _ in contracts}) == len(contracts) <= _MOST_LEGS
        }

    def order(self, row: Any) -> str:
        """Name the order of an execution; rows of no known order go together by the second."""
        if row.kind == ExecutionKind.TRADE.value:
            session = session_of(row.execution_time, row.currency)
            if (row.order_id, session) in self.believed:
                return f"{row.order_id} {session}"
        return f"{row.kind} {row.execution_time.replace(microsecond=0).isoformat()}"


def _part(lot: TradeLot, fills: _Fills) -> Part:
    closing = None
    if lot.closed_by_id is not None:
        row = fills.by_id[lot.closed_by_id]
        closing = Closing(
            execution=row.id,
            key=fills.first[row.exec_root],
            at=row.execution_time,
            kind=ExecutionKind(lot.closed_kind),
            order=fills.order(row),
            session=session_of(row.execution_time, row.currency),
        )
    elif lot.closed_at is not None:
        closing = Closing(
            execution=None,
            key=None,
            at=lot.closed_at,
            kind=ExecutionKind(lot.closed_kind),
            order=f"expired {lot.closed_at.isoformat()}",
            session=session_of(lot.closed_at, lot.currency),
            awaiting=lot.awaiting,
        )
    return Part(
        contract=_contract(lot.instrument),
        quantity=lot.quantity,
        multiplier=lot.instrument.multiplier,
        closing=closing,
        open_price=lot.open_price,
        close_price=lot.close_price,
        open_costs=lot.open_costs or ZERO,
        close_costs=lot.close_costs or ZERO,
        gross=lot.gross,
        net=lot.net,
    )


def _contract(row: Instrument) -> LegContract:
    return LegContract(
        id=row.pk,
        kind=InstrumentKind(row.kind),
        underlying=row.underlying,
        currency=row.currency,
        units=units_of(row),
        expiry=row.expiry,
        strike=row.strike,
        right=Right(row.right) if row.right else None,
    )


def units_of(row: Instrument) -> Decimal:
    """Return what one contract delivers: its multiplier, unless a split changed that."""
    units: Decimal = row.multiplier if row.deliverable_shares is None else row.deliverable_shares
    return units


@lru_cache(maxsize=4096)
def session_of(at: datetime, currency: str) -> date:
    """Return the exchange's day of an instant."""
    return at.astimezone((exchange_of_currency(currency) or NYSE).zone).date()
