"""The list of trades: a page of annotated rows, and the totals of all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, QuerySet, Sum

from config.core.web.csv_export import csv_lines
from portfolio.models import Account
from trades.models import Trade, TradeFill, TradeNote, TradeReview, TradeTag
from trades.models.trade import BEGAN
from trades.reviewing.filters import TradeFilter
from trades.strategies.results import Totals, outcome_of, totals_of

ROWS_A_PAGE = 50
#: How many trades the list reaches back.
REACH = 10_000
_BATCH = 500
CSV_COLUMNS = (
    "id", "account_id", "underlying", "strategy", "name", "status", "outcome", "opened_at",
    "closed_at", "quantity", "premium", "gross", "costs", "net", "currency", "unknown_closes",
    "chain", "review", "tags",
)  # fmt: skip


@dataclass(slots=True)
class Row:
    """A trade as listed."""

    trade: Trade
    tags: list[str] = field(default_factory=list)
    notes: int = 0
    review: str = TradeReview.State.NEW.value
    outcome: str = ""


@dataclass(slots=True)
class Chain:
    """Listed trades that rolled into each other, with the profit of the whole chain."""

    key: int
    rows: list[Row]
    trades: int
    net: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One page of trades, and the sums of all that were asked for.

    ``is_cut``: there are more than ``REACH``; only the newest are listed and summed.
    """

    page: Page[Trade]
    rows: list[Row]
    totals: list[Totals]
    is_cut: bool


def list_trades(accounts: Sequence[Account], asked: dict[str, Any], *, page: int = 1) -> Listed:
    """Return a page of trades. Six queries whatever is stored. Raises InvalidInput.

    The list reaches back ``REACH`` trades (or forward, oldest first), so that a long journal costs
    no more to open than a short one. The CSV holds them all.
    """
    wanted = TradeFilter(asked, accounts=accounts)
    found = wanted.trades
    newest = found if wanted.is_by_opening else found.order_by(BEGAN.desc(), "-opening_id")
    reached = newest[:REACH]
    within = Trade.objects.filter(pk__in=reached.values("pk"))
    listed = reached if wanted.is_by_opening else within.order_by(*found.query.order_by)
    shown = Paginator(listed, ROWS_A_PAGE).get_page(page)
    return Listed(
        page=shown,
        rows=rows_of(shown.object_list),
        totals=totals_of(within),
        is_cut=shown.paginator.count >= REACH,
    )


def rows_of(trades: Iterable[Trade]) -> list[Row]:
    """Return trades with their tags, notes and state of review. Four queries."""
    rows = {trade.key: Row(trade, outcome=outcome_of(trade)) for trade in trades}
    homes: dict[int, int] = {key: key for key in rows}
    opened = TradeFill.objects.filter(trade__in=list(rows), role=TradeFill.Role.OPEN.value)
    homes |= dict(opened.values_list("key", "trade_id"))
    tags: dict[int, set[str]] = defaultdict(set)
    for key, name in TradeTag.objects.filter(opening__in=homes).values_list("opening_id", "name"):
        tags[homes[key]].add(name)
    for key in TradeNote.objects.filter(opening__in=homes).values_list("opening_id", flat=True):
        rows[homes[key]].notes += 1
    reviews = TradeReview.objects.filter(opening__in=list(rows))
    for key, state in reviews.values_list("opening_id", "state"):
        rows[key].review = state
    for key, row in rows.items():
        row.tags = sorted(tags[key])
    return list(rows.values())


def by_chain(rows: Sequence[Row]) -> list[Chain]:
    """Put listed trades under their chains, whose profit counts trades that are not listed too."""
    grouped: dict[int, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row.trade.chain, []).append(row)
    found = Trade.objects.filter(chain__in=list(grouped)).order_by().values("chain")
    whole = {row["chain"]: row for row in found.annotate(sum=Sum("net"), count=Count("pk"))}
    return [
        Chain(key, members, whole[key]["count"], whole[key]["sum"])
        for key, members in grouped.items()
    ]


def trades_csv(accounts: Sequence[Account], asked: dict[str, Any]) -> Iterator[str]:
    """Return every matching trade, a line each. Raises InvalidInput."""
    found = TradeFilter(asked, accounts=accounts).trades
    return chosen_csv(found)


def chosen_csv(trades: QuerySet[Trade]) -> Iterator[str]:
    """Return these trades in their order, a line each."""
    return csv_lines(CSV_COLUMNS, _csv_rows(list(trades.values_list("pk", flat=True))))


def _csv_rows(keys: list[int]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(keys), _BATCH):
        part = keys[start : start + _BATCH]
        by_key = Trade.objects.in_bulk(part)
        for row in rows_of(by_key[key] for key in part if key in by_key):
            yield _csv_row(row)


def _csv_row(row: Row) -> Sequence[Any]:
    trade = row.trade
    return (
        trade.key, trade.account_id, trade.underlying, trade.strategy, trade.name, trade.status,
        row.outcome, trade.opened_at, trade.closed_at, _plain(trade.quantity),
        _plain(trade.premium), _plain(trade.gross), _plain(trade.costs), _plain(trade.net),
        trade.currency, trade.unknown_closes, trade.chain, row.review, " ".join(row.tags),
    )  # fmt: skip


def _plain(amount: Decimal | None) -> Decimal | None:
    """Write an amount without trailing zeros and without an exponent, as a number."""
    return None if amount is None else Decimal(f"{amount.normalize():f}")
