"""Rows that sum up an order: they count until the fills of their order are known.

IBKR's Activity Statement lists orders, without ids. Whichever comes first, its rows give way to
the fills of the same order: equal contract and side, quantities and prices that add up, one time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from itertools import groupby

from django.db.models import Q

from config.core.rows.reading import BATCH, batched
from trades.executions.identity import CLOCK_STEP
from trades.models import TradeExecution

#: Sources whose rows may be orders.
ORDER_SOURCES = ("ibkr_csv",)
_PRICE_TOLERANCE = Decimal("0.0001")


def replace_orders(changed: Iterable[tuple[str, int]]) -> list[TradeExecution]:
    """Mark the rows of IBKR's orders whose fills are all stored as replaced, and return them.

    ``changed``: accounts and instruments to look at.
    """
    replaced = []
    for batch in batched(sorted(changed)):
        told = Q(account__in={a for a, _ in batch}, instrument__in={i for _, i in batch})
        # Sorted by the database, it would search by time alone.
        live = TradeExecution.objects.filter(told, superseded=False, cancelled_by="").order_by()
        orders = list(live.filter(source__in=ORDER_SOURCES))
        if not orders:
            continue
        keys = {(row.account_id, row.instrument_id) for row in orders}
        fills = live.filter(instrument__in={i for _, i in keys}).exclude(source__in=ORDER_SOURCES)
        ranked = sorted(fills, key=lambda row: (_order(row), row.execution_time))
        groups: dict[tuple[str, int, str, str], list[list[TradeExecution]]] = defaultdict(list)
        for name, group in groupby(ranked, key=_order):
            groups[name[:4]].append(list(group))
        for order in orders:
            near = groups[_order(order)[:4]]
            found = next((each for each in near if _is_order_of(order, each)), None)
            if found is not None:
                order.cancelled_by = f"O:{found[0].order_id or found[0].broker_execution_id}"[:64]
                near.remove(found)
                replaced.append(order)
    if replaced:
        TradeExecution.objects.bulk_update(replaced, ["cancelled_by"], batch_size=BATCH)
    return replaced


def _order(row: TradeExecution) -> tuple[str, int, str, str, str]:
    """Return what one order's fills share; a fill without an order is its own."""
    name = row.order_id or row.broker_execution_id
    return row.account_id, row.instrument_id, row.kind, row.side, name


def _is_order_of(order: TradeExecution, fills: list[TradeExecution]) -> bool:
    """Whether fills of the same account, contract, kind and side add up to an order."""
    first, last = fills[0], fills[-1]
    if not first.execution_time - CLOCK_STEP <= order.execution_time:
        return False
    if not order.execution_time <= last.execution_time + CLOCK_STEP:
        return False
    quantity = sum((fill.quantity for fill in fills), Decimal(0))
    if quantity != order.quantity:
        return False
    if order.price is None or any(fill.price is None for fill in fills):
        return True
    average = sum((fill.quantity * fill.price for fill in fills), Decimal(0)) / quantity
    return bool(abs(average - order.price) <= _PRICE_TOLERANCE * max(abs(average), 1))
