"""Write one fetched book in one transaction, with the account's row locked and ids kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

from config.core.clock import now
from config.core.upsert import upsert
from greeks.domain import RejectedRow
from greeks.instruments.identity import instrument_key
from greeks.providers.decoding import storable
from portfolio.amounts import fitting_amount
from portfolio.book.checked import Checked, CheckedPositions
from portfolio.book.moved import invalidate_if_moved
from portfolio.book.position_row import (
    PositionRow,
    known_positions,
    stored_positions,
    write_positions,
)
from portfolio.book.valuing import build_positions
from portfolio.book.writing_context import writing_context
from portfolio.domain import AccountSummary, BrokerOrder, OrderLeg
from portfolio.history.writing import record_account_minute
from portfolio.market_data.store import write_greeks
from portfolio.models import Account, AccountStatus, FxRate, Order, SyncRun
from portfolio.sync.empty_book import EMPTY_ANSWER, judge_empty_book
from portfolio.sync.fetch import FetchedBook
from portfolio.sync.gone import delete_gone_orders, delete_gone_positions
from portfolio.sync.missing_kinds import KIND_NOT_STORED, kinds_not_stored
from portfolio.sync.quarantine import quarantine_rows

# Fields of an order that are columns as they are.
_SAME_IN_ORDERS = (
    "order_type", "time_in_force", "quantity", "filled_quantity", "limit_price", "placed_at",
    "updated_at", "source", "as_of",
)  # fmt: skip
_STATUS_COLUMNS = tuple(field.attname for field in AccountStatus._meta.concrete_fields)


@dataclass(slots=True, kw_only=True)
class Stored:
    """Result of a write. ``counts`` go into the run: received == stored + flat + quarantined."""

    outcome: SyncRun.Outcome
    changed: bool
    counts: dict[str, Any] = field(default_factory=dict)
    error_code: str = ""
    error: str = ""


def store_book(*, account: Account, book: FetchedBook) -> Stored:
    """Write a book whose positions were fetched. The caller holds the lock on the account's row.

    An unconfirmed empty book changes nothing: the last one stays.
    """
    positions = book.positions
    if positions is None:
        raise ValueError("a book without positions is not stored")
    at = now()
    known = known_positions(account.pk)
    counts = _counts(book, positions)
    status = AccountStatus.objects.filter(account=account).first()
    quarantine_rows(account_id=account.pk, rows=_all_rejected(book), source=book.source, at=at)
    if not positions.kept and not positions.rejected:
        unconfirmed = judge_empty_book(
            account=account,
            summary=book.summary,
            flat_keys=[instrument_key(position.contract) for position in positions.flat],
            stored=stored_positions(account.pk).values(),
            status=status,
        )
        if unconfirmed is not None:
            account.empty_book_since = account.empty_book_since or at
            return Stored(
                outcome=SyncRun.Outcome.UNCONFIRMED,
                changed=False,
                counts=counts | {EMPTY_ANSWER: unconfirmed},
                error_code="empty_book_unconfirmed",
                error="The broker answered without positions; the last book stays until that is "
                "confirmed.",
            )
    account.empty_book_since = None
    context = writing_context(account=account, market=book.market, sessions=book.sessions)
    rows = build_positions(
        received=positions, instruments=book.instruments, known=known, context=context
    )
    rates = _write_rates(account, book, {row.currency for row in rows}, at=at)
    write_greeks(
        market=book.market, instruments=book.instruments, at=at, market_at=context.market_at
    )
    write_positions(rows)
    kept_back = delete_gone_positions(
        account_id=account.pk, known=known, written=rows, answer=positions
    )
    counts["kept_back"] = len(kept_back)
    everything = [*rows, *kept_back]
    invalidate_if_moved(account_id=account.pk, known=known, held=everything, source=book.source)
    if book.summary is not None:
        status = _status_row(account, book.summary, everything, rates, at=at)
        values = [getattr(status, name) for name in _STATUS_COLUMNS]
        upsert(AccountStatus, _STATUS_COLUMNS, [values], unique=("account_id",))
    if book.orders is not None:
        _write_orders(account, book.orders)
    if book.summary is not None:
        record_account_minute(
            account=account,
            status=status,
            positions=everything,
            rates=rates,
            source=book.source,
            at=context.market_at,
            session_date=context.session_date,
            instruments=book.instruments.values(),
        )
    options = [row for row in rows if row.right]
    counts["options"] = len(options)
    counts["options_without_greeks"] = sum(row.delta_raw is None for row in options)
    counts["greeks_last_known"] = sum(row.greeks_last_known for row in options)
    counts["without_daily_change"] = sum(row.daily_change is None for row in rows)
    counts["daily_change_since_close"] = sum(
        row.daily_change is not None and row.opening_price is None for row in rows
    )
    return _finished(book, counts, kinds_not_stored(positions, book.orders))


def _finished(book: FetchedBook, counts: dict[str, Any], not_stored: Sequence[str]) -> Stored:
    if not book.failed and not not_stored:
        return Stored(outcome=SyncRun.Outcome.SUCCEEDED, changed=True, counts=counts)
    failures = [f"{failed.step.label}: {failed.message}" for failed in book.failed]
    return Stored(
        outcome=SyncRun.Outcome.PARTIAL,
        changed=True,
        counts=counts | {"failed_steps": [failed.step.value for failed in book.failed]},
        error_code=book.failed[0].code if book.failed else KIND_NOT_STORED,
        error="; ".join([*failures, *not_stored]),
    )


def _counts(book: FetchedBook, positions: CheckedPositions) -> dict[str, Any]:
    if positions.received != len(positions.kept) + len(positions.flat) + len(positions.rejected):
        raise AssertionError("positions went missing between the broker and the database")
    counts: dict[str, Any] = {
        "positions_received": positions.received,
        "positions_stored": len(positions.kept),
        "positions_flat": len(positions.flat),
        "positions_quarantined": len(positions.rejected),
        "snapshots_received": book.market.received,
        "values_set_aside": len(book.notes) + len(book.market.rejected),
    }
    if book.orders is not None:
        counts |= {
            "orders_received": book.orders.received,
            "orders_stored": len(book.orders.kept),
            "orders_quarantined": len(book.orders.rejected),
        }
    if book.market.fallback_errors:
        counts["fallback_errors"] = book.market.fallback_errors
    return counts


def _all_rejected(book: FetchedBook) -> Iterable[RejectedRow]:
    for answer in (book.positions, book.orders):
        yield from answer.rejected if answer is not None else ()
    yield from book.market.rejected
    yield from book.notes


def _write_rates(
    account: Account, book: FetchedBook, currencies: set[str], *, at: datetime
) -> dict[str, float]:
    """Store the broker's rates; return units of the base currency per unit of each other one."""
    base = _base_currency(account, book.summary)
    given = book.summary.fx_rates if book.summary is not None else None
    rates = {currency: rate for currency, rate in (given or {}).items() if currency != base}
    upsert(
        FxRate,
        ("base", "quote", "rate", "as_of", "source"),
        [(base, currency, rate, at, book.source) for currency, rate in sorted(rates.items())],
        unique=("base", "quote"),
    )
    known = {currency: float(rate) for currency, rate in rates.items()}
    unknown = currencies - known.keys() - {base}
    if unknown:
        stored = FxRate.objects.filter(base=base, quote__in=unknown)
        known |= {quote: float(rate) for quote, rate in stored.values_list("quote", "rate")}
    return known


def _base_currency(account: Account, summary: AccountSummary | None) -> str:
    return (summary.currency if summary is not None else "") or account.base_currency


def _status_row(
    account: Account,
    summary: AccountSummary,
    positions: Sequence[PositionRow],
    rates: Mapping[str, float],
    *,
    at: datetime,
) -> AccountStatus:
    currency = _base_currency(account, summary)
    unrealized, unrealized_source = summary.unrealized_pnl, summary.source
    if unrealized is None:
        unrealized = _unrealized_of(positions, currency, rates)
        unrealized_source = "positions" if unrealized is not None else ""
    return AccountStatus(
        account=account,
        net_liquidation=summary.net_liquidation,
        buying_power=summary.buying_power,
        excess_liquidity=summary.excess_liquidity,
        maint_margin=summary.maintenance_margin,
        unrealized_pnl=unrealized,
        unrealized_pnl_source=unrealized_source[:24],
        realized_pnl=summary.realized_pnl,
        cash=summary.cash,
        initial_margin=summary.initial_margin,
        currency=currency,
        source=summary.source[:24],
        as_of=summary.as_of,
        timestamp=at,
    )


def _unrealized_of(
    positions: Sequence[PositionRow], currency: str, rates: Mapping[str, float]
) -> Decimal | None:
    """Sum over the positions in ``currency``; ``None`` if any part is missing."""
    total = Decimal(0)
    for row in positions:
        rate = 1.0 if row.currency == currency else rates.get(row.currency)
        if row.unrealized_pnl is None or rate is None:
            return None
        total += row.unrealized_pnl * Decimal(repr(rate))
    return fitting_amount(total)


def _write_orders(account: Account, orders: Checked[BrokerOrder]) -> None:
    rows = sorted(
        (_order_row(account, order) for order in orders.kept),
        key=itemgetter("broker_order_id"),
    )
    if rows:
        values = [tuple(row.values()) for row in rows]
        upsert(Order, tuple(rows[0]), values, unique=("account_id", "broker_order_id"))
    delete_gone_orders(
        account_id=account.pk,
        present=[order.broker_order_id for order in orders.kept],
        refused=[row for row in orders.rejected if row.kind == "order"],
    )


def _order_row(account: Account, order: BrokerOrder) -> dict[str, Any]:
    symbols = list(dict.fromkeys(leg.contract.underlying for leg in order.legs))
    symbol = order.legs[0].contract.symbol if len(order.legs) == 1 else "/".join(symbols)
    return {
        "account_id": account.pk,
        "broker_order_id": order.broker_order_id,
        "symbol": symbol[:64],
        "description": "".join(c for c in order.description if c.isprintable())[:160],
        "status": order.status.value,
        "legs": [_leg_json(leg) for leg in order.legs],
        "raw_json": storable(order.raw or {}),
        **{name: getattr(order, name) for name in _SAME_IN_ORDERS},
    }


def _leg_json(leg: OrderLeg) -> dict[str, Any]:
    remaining = leg.remaining_quantity
    return {
        "symbol": leg.contract.symbol,
        "instrument_type": leg.contract.kind.value,
        "underlying": leg.contract.underlying,
        "currency": leg.contract.currency,
        "side": leg.side.value,
        "quantity": str(leg.quantity),
        "remaining_quantity": None if remaining is None else str(remaining),
        "position_effect": leg.position_effect,
    }
