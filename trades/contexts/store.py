"""Write the contexts of fills: those that lack one, or what existing ones lack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from django.db import transaction
from django.db.models import Max, QuerySet

from config.core.upsert import upsert
from portfolio.domain import CARRIES_LOTS, MOVES_NO_POSITION
from portfolio.models import Account
from trades.contexts.capturing import captured_now
from trades.models import EntryContext, TradeExecution
from trades.regimes.volatility_indices import MARKET_INDEX

#: Each group of columns is known or unknown together, by its source.
_GROUPS: Final = {
    "greeks_source": ("delta", "gamma", "theta", "vega", "implied_volatility", "greeks_as_of"),
    "underlying_source": ("underlying_price", "underlying_as_of"),
    "iv_rank_source": ("iv_rank", "iv_rank_as_of"),
    "book_source": ("net_liquidation", "book_dollar_delta", "book_dollar_gamma", "book_theta",
                    "book_vega", "book_as_of"),
    "regime_source": ("regime", "regime_rule", "regime_as_of"),
}  # fmt: skip
_COLUMNS: Final = tuple(field.attname for field in EntryContext._meta.concrete_fields)
_BATCH: Final = 500
#: Fills that commit out of the order of their ids are this close together.
_OVERLAP: Final = 20_000
_NO_CONTEXT: Final = [kind.value for kind in CARRIES_LOTS | MOVES_NO_POSITION]


def fill_contexts(*, most: int = 10_000) -> int:
    """Write the contexts of new fills, oldest first; return how many.

    A fill whose id is far behind the last with a context waits for ``complete_contexts``.
    """
    last = EntryContext.objects.aggregate(last=Max("pk"))["last"] or 0
    rows = _opening_and_closing().filter(pk__gt=last - _OVERLAP, context__isnull=True)
    return sum(map(_write, _batches(rows, most=most)))


def complete_contexts(account: Account) -> int:
    """Write what the contexts of an account's fills lack; return how many fills were looked at.

    What is known stays: the minutes it came from may be deleted since.
    """
    rows = _opening_and_closing().filter(account=account)
    return sum(map(_write, _batches(rows)))


def complete_regimes() -> int:
    """Write what contexts without a regime lack, where their market has one."""
    rows = _opening_and_closing().filter(context__regime_source="", currency__in=list(MARKET_INDEX))
    return sum(map(_write, _batches(rows)))


def _opening_and_closing() -> QuerySet[TradeExecution]:
    live = TradeExecution.objects.filter(superseded=False, cancelled_by="")
    return live.exclude(kind__in=_NO_CONTEXT)


def _batches(
    rows: QuerySet[TradeExecution], *, most: int | None = None
) -> Iterator[list[TradeExecution]]:
    last, left = 0, most
    while left is None or left > 0:
        size = _BATCH if left is None else min(_BATCH, left)
        batch = list(rows.filter(pk__gt=last).select_related("instrument").order_by("pk")[:size])
        if not batch:
            return
        yield batch
        last, left = batch[-1].pk, None if left is None else left - len(batch)


def _write(executions: Iterable[TradeExecution]) -> int:
    found = captured_now(list(executions))
    with transaction.atomic():
        known = EntryContext.objects.in_bulk([values["execution_id"] for values in found])
        merged = [_merged(known.get(values["execution_id"]), values) for values in found]
        upsert(
            EntryContext,
            _COLUMNS,
            [[values[name] for name in _COLUMNS] for values in merged],
            unique=("execution_id",),
        )
    return len(merged)


def _merged(known: EntryContext | None, values: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    if known is None:
        return merged
    merged |= {"captured": known.captured, "captured_at": known.captured_at}
    for source, names in _GROUPS.items():
        if getattr(known, source):
            merged |= {name: getattr(known, name) for name in (source, *names)}
    return merged
