"""Compute trades again from the lots, for the underlyings that changed or for everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from django.db import transaction
from django.db.models import Count

from config.core.upsert import insert_rows
from greeks.domain import InstrumentKind
from greeks.models import Instrument
from greeks.underlyings import product_name
from portfolio.amounts import fitting_amount
from portfolio.domain import ExecutionKind
from portfolio.models import Account
from trades.models import Trade as TradeRow
from trades.models import TradeExecution, TradeFill, TradeLeg, TradeRoll
from trades.strategies.opening import ZERO, LegContract, Opening, Part
from trades.strategies.reading import families_of, read_openings, read_overrides, underlyings_of
from trades.strategies.rolls import Roll
from trades.strategies.trade import Trade, build_trades, total

#: Contracts whose trades are computed together, and more only of underlyings that are connected.
_CONTRACTS_AT_ONCE: Final = 2_500
_TRADE = (
    "opening_id", "account_id", "underlying", "strategy", "name", "open_name", "status",
    "opened_at", "closed_at", "quantity", "currency", "premium", "costs", "gross", "net",
    "unknown_closes", "chain",
)  # fmt: skip
_LEG = (
    "trade_id", "instrument_id", "quantity", "open_quantity", "opened_at", "closed_at",
    "closed_kind", "awaiting", "open_price", "close_price", "costs", "gross", "net",
)  # fmt: skip
_FILL = ("trade_id", "execution_id", "key", "role", "quantity")
_ROLL = (
    "account_id", "underlying", "opened_by_id", "closed_by_id", "rolled_to_id", "quantity",
    "inferred",
)  # fmt: skip


def store_trades(changed: Mapping[str, Iterable[int]]) -> None:
    """Replace the trades of these accounts' instruments. Runs in the writer's transaction.

    Trades follow the lots of their underlying, so all of an underlying is computed together.
    """
    for account_id, instruments in sorted(changed.items()):
        _replace(account_id, underlyings_of(instruments))


def store_regrouped(executions: Iterable[TradeExecution]) -> None:
    """Replace the trades that these executions opened. Runs in the writer's transaction."""
    changed: dict[str, set[int]] = {}
    for execution in executions:
        changed.setdefault(execution.account_id, set()).add(execution.instrument_id)
    store_trades(changed)


@transaction.atomic
def rebuild_account_trades(account: Account) -> int:
    """Compute all trades of an account again; return how many there are."""
    Account.objects.select_for_update().get(pk=account.pk)
    traded = Instrument.objects.filter(executions__account=account).order_by()
    contracts: Counter[str] = Counter()
    for name, number in traded.values_list("underlying").annotate(Count("pk", distinct=True)):
        contracts[product_name(name)] += number
    kept = TradeRow.objects.filter(account=account).order_by().values_list("underlying", flat=True)
    for name in kept.distinct():
        contracts.setdefault(name, 0)
    return _replace(account.pk, contracts)


def _replace(account_id: str, contracts: Counter[str]) -> int:
    """Compute the trades of these underlyings; return how many there are."""
    families = families_of(account_id, contracts, _CONTRACTS_AT_ONCE)
    return sum(_replace_family(account_id, underlyings) for underlyings in families)


def _replace_family(account_id: str, underlyings: set[str]) -> int:
    old = TradeRow.objects.filter(account=account_id, underlying__in=underlyings)
    TradeFill.objects.filter(trade__in=old).delete()
    TradeLeg.objects.filter(trade__in=old).delete()
    # Nothing else refers to a trade: Django would read them all to find that out.
    old._raw_delete(old.db)
    TradeRoll.objects.filter(account=account_id, underlying__in=underlyings).delete()
    openings = read_openings(account_id, underlyings)
    built = build_trades(openings, read_overrides(account_id, underlyings))
    insert_rows(TradeRow, _TRADE, [_trade_row(account_id, trade) for trade in built.trades])
    legs, fills = [], []
    for trade in built.trades:
        legs += _leg_rows(trade)
        fills += _fill_rows(trade)
    insert_rows(TradeLeg, _LEG, legs)
    insert_rows(TradeFill, _FILL, fills)
    by_key = {opening.key: opening for opening in openings}
    insert_rows(TradeRoll, _ROLL, [_roll_row(account_id, roll, by_key) for roll in built.rolls])
    return len(built.trades)


def _trade_row(account_id: str, trade: Trade) -> tuple[Any, ...]:
    first = trade.group.openings[0]
    closed = [part for part in trade.parts if part.closing is not None]
    known = [opening.at for opening in trade.group.openings if opening.is_known]
    premium = total(
        None if part.open_price is None else -part.open_price * part.quantity * part.multiplier
        for part in _paid_parts(trade)
    )
    final = [part for part in closed if part.is_final]
    is_open = len(closed) < len(trade.parts)
    status = TradeRow.Status.CLOSED if len(final) == len(closed) else TradeRow.Status.AWAITING
    return (
        trade.key,
        account_id,
        first.contract.underlying,
        trade.named.strategy.value,
        trade.named.words,
        trade.open_words,
        (TradeRow.Status.OPEN if is_open else status).value,
        min(known, default=None),
        None if is_open else _last_close(closed),
        trade.quantity,
        first.contract.currency,
        fitting_amount(premium),
        _costs(trade.parts),
        total(part.gross for part in final),
        total(part.net for part in final),
        sum(part.gross is None for part in final),
        trade.chain,
    )


def _paid_parts(trade: Trade) -> list[Part]:
    """Return the parts whose opening moved cash as premium does.

    Shares that an option delivered are no premium, and a future costs nothing to open.
    """
    traded = [
        part
        for opening in trade.group.openings
        if opening.kind is ExecutionKind.TRADE
        for part in opening.parts
    ]
    opened = traded or trade.parts
    return [part for part in opened if part.contract.kind is not InstrumentKind.FUTURE]


def _leg_rows(trade: Trade) -> list[tuple[Any, ...]]:
    legs: dict[tuple[LegContract, bool], list[tuple[Opening, Part]]] = {}
    for opening in trade.group.openings:
        for part in opening.parts:
            legs.setdefault((part.contract, part.quantity > 0), []).append((opening, part))
    rows = []
    for (contract, _), found in legs.items():
        parts = [part for _, part in found]
        closed = [part for part in parts if part.closing is not None]
        still_open = [part for part in parts if part.closing is None]
        last = max(closed, key=lambda part: part.closing.at, default=None)  # type: ignore[union-attr]
        rows.append(
            (
                trade.key,
                contract.id,
                sum((part.quantity for part in parts), ZERO),
                sum((part.quantity for part in still_open), ZERO),
                min((opening.at for opening, _ in found if opening.is_known), default=None),
                None if still_open else _last_close(closed),
                last.closing.kind.value if last and last.closing and not still_open else "",
                not all(part.is_final for part in closed),
                _average((part.open_price, part.quantity) for part in parts),
                _average((part.close_price, part.quantity) for part in closed),
                _costs(parts),
                total(part.gross for part in closed),
                total(part.net for part in closed),
            )
        )
    return rows


def _fill_rows(trade: Trade) -> list[tuple[Any, ...]]:
    found: dict[tuple[int, int, str], Decimal] = {}
    for opening in trade.group.openings:
        if opening.is_known:
            opened = (opening.execution, opening.key, TradeFill.Role.OPEN.value)
            found[opened] = opening.quantity
        for part in opening.parts:
            closing = part.closing
            if closing and closing.execution is not None and closing.key is not None:
                closed = (closing.execution, closing.key, TradeFill.Role.CLOSE.value)
                found[closed] = found.get(closed, ZERO) + part.quantity
    return [(trade.key, *names, quantity) for names, quantity in found.items()]


def _roll_row(account_id: str, roll: Roll, openings: Mapping[int, Opening]) -> tuple[Any, ...]:
    parent, child = openings[roll.parent], openings[roll.child]
    return (
        account_id,
        child.contract.underlying,
        parent.execution if parent.is_known else None,
        roll.closing.execution,
        child.execution,
        roll.quantity,
        roll.is_inferred,
    )


def _last_close(closed: Iterable[Part]) -> Any:
    return max(part.closing.at for part in closed if part.closing is not None)


def _costs(parts: Iterable[Part]) -> Decimal:
    return sum((part.open_costs + part.close_costs for part in parts), ZERO)


def _average(priced: Iterable[tuple[Decimal | None, Decimal]]) -> Decimal | None:
    amount = quantity = ZERO
    for price, number in priced:
        if price is None:
            return None
        amount += price * number
        quantity += number
    return fitting_amount(amount / quantity) if quantity else None
