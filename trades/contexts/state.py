"""What accounts held at any moment, with the Greeks and prices known then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db.models import Q

from greeks.models import Instrument
from portfolio.amounts import as_float
from portfolio.domain import ExecutionKind
from portfolio.exposure.columns import LINEAR_KINDS, Leg, Money
from portfolio.exposure.currencies import currency_of, rates_into, totals_currency
from portfolio.exposure.deliverables import of_deliverable
from portfolio.exposure.totals import book_totals
from portfolio.models import Account
from trades.contexts.capturing import days_to_expiry
from trades.contexts.market_then import (
    BookThen,
    GreeksThen,
    PriceThen,
    books_of_rows,
    greeks_of_rows,
    newest,
    prices_of_rows,
)
from trades.contexts.shapes import AccountThen, PortfolioState, PositionThen, TotalsThen
from trades.lots.events import PositionEvent
from trades.lots.events_reading import connected_instruments, methods_of, position_events
from trades.lots.lot import Lot
from trades.lots.matching import match_lots
from trades.lots.transfers import lots_brought
from trades.models import TradeExecution, TradeLot

#: The oldest that a number may be: a long weekend.
OLDEST: Final = timedelta(days=4)
_TOTALS: Final = tuple(TotalsThen.__struct_fields__)


def portfolio_state(accounts: Sequence[Account], at: datetime) -> PortfolioState:
    """Rebuild positions, Greeks and totals of (already authorised) accounts at a moment.

    Positions come from the executions up to then, Greeks and prices from the minutes. Money of
    other currencies is converted at the latest rates. The number of queries is fixed.
    """
    ids = [account.pk for account in accounts]
    held = _open_lots(ids, at)
    rows = Instrument.objects.filter(pk__in={lots[0].instrument for lots in held.values()})
    instruments = rows.in_bulk()
    greeks = greeks_of_rows(rows, instrument="pk", at=at)
    prices = prices_of_rows(rows, instrument="pk", at=at)
    books = books_of_rows(Account.objects.filter(pk__in=ids), account="pk", at=at)
    legs, positions = [], []
    for (account_id, pk), lots in sorted(held.items()):
        row = instruments[pk]
        known = newest(greeks.get(pk), at=at, oldest=OLDEST)
        price = newest(prices.get(pk), at=at, oldest=OLDEST)
        position = _position(account_id, row, lots, known, price, at)
        positions.append(position)
        legs.append(_leg(row, position))
    return PortfolioState(
        at=at,
        accounts=[_account(account, books.get(account.pk), at) for account in accounts],
        positions=positions,
        totals=_totals(accounts, legs),
        unknown_openings=TradeLot.objects.filter(
            account__in=ids, opened_by=None, closed_at__gt=at
        ).count(),
    )


def _open_lots(accounts: Sequence[str], at: datetime) -> dict[tuple[str, int], list[Lot]]:
    """Return lots open at the moment, by account and contract, from the executions up to it."""
    lived = TradeLot.objects.filter(Q(closed_at=None) | Q(closed_at__gt=at), account__in=accounts)
    # Of lots that went to another account since, only the row that took them is left.
    given = TradeExecution.objects.filter(
        account__in=accounts, kind=ExecutionKind.TRANSFER.value, execution_time__gt=at
    )
    held_later = [
        rows.order_by().values_list("instrument_id", flat=True).distinct()
        for rows in (lived, given)
    ]
    wanted = connected_instruments(accounts, {pk for ids in held_later for pk in ids})
    executions = TradeExecution.objects.filter(
        account__in=accounts, instrument__in=wanted, execution_time__lte=at
    )
    owners = dict(executions.order_by().values_list("pk", "account_id"))
    by_account: dict[str, list[PositionEvent]] = {}
    for event in position_events(executions):
        by_account.setdefault(owners[event.id], []).append(event)
    methods = methods_of(accounts)
    held: dict[tuple[str, int], list[Lot]] = {}
    for account_id, events in by_account.items():
        brought = lots_brought(account_id, events)
        for lot in match_lots(events, methods[account_id], brought).open:
            held.setdefault((account_id, lot.instrument), []).append(lot)
    return held


def _position(
    account_id: str,
    row: Instrument,
    lots: Sequence[Lot],
    greeks: GreeksThen | None,
    price: PriceThen | None,
    at: datetime,
) -> PositionThen:
    quantity = sum((lot.quantity for lot in lots), Decimal(0))
    basis = [None if lot.price is None else lot.price * lot.quantity for lot in lots]
    known = [each for each in basis if each is not None]
    average = sum(known, Decimal(0)) / quantity if quantity and len(known) == len(lots) else None
    value = None if price is None else price.price * quantity * row.multiplier
    cost = None if average is None else average * quantity * row.multiplier
    linear = row.kind in LINEAR_KINDS
    return PositionThen(
        account_id=account_id,
        symbol=row.symbol,
        instrument_type=row.kind,
        underlying=row.underlying,
        expiry=row.expiry,
        strike=as_float(row.strike),
        right=row.right or None,
        dte=days_to_expiry(row, at),
        quantity=float(quantity),
        multiplier=float(row.multiplier),
        currency=row.currency,
        opened_at=min(lot.opened_at for lot in lots),
        avg_price=as_float(average),
        price=as_float(price.price) if price else None,
        price_source=price.source if price else None,
        price_as_of=price.as_of if price else None,
        market_value=as_float(value),
        unrealized_pnl=None if value is None or cost is None else float(value - cost),
        delta=1.0 if linear else greeks.delta if greeks else None,
        gamma=0.0 if linear else greeks.gamma if greeks else None,
        theta=0.0 if linear else greeks.theta if greeks else None,
        vega=0.0 if linear else greeks.vega if greeks else None,
        iv=greeks.implied_volatility if greeks else None,
        underlying_price=as_float(greeks.underlying_price) if greeks else None,
        greeks_source=greeks.source if greeks else None,
        greeks_as_of=greeks.as_of if greeks else None,
    )


def _leg(row: Instrument, position: PositionThen) -> Leg:
    leg = Leg(
        underlying=row.underlying,
        instrument_type=row.kind,
        expiry=row.expiry,
        dte=position.dte,
        currency=row.currency,
        quantity=position.quantity,
        multiplier=position.multiplier,
        price=position.price,
        market_value=position.market_value,
        unrealized_pnl=position.unrealized_pnl,
        daily_change=None,
        delta=position.delta,
        gamma=position.gamma,
        theta=position.theta,
        vega=position.vega,
        underlying_price=position.underlying_price,
        stored_key=row.underlying_key,
    )
    return of_deliverable(leg, row.deliverable_shares) if row.is_adjusted else leg


def _account(account: Account, book: BookThen | None, at: datetime) -> AccountThen:
    known = newest(book, at=at, oldest=OLDEST)
    return AccountThen(
        account_id=account.pk,
        currency=currency_of(account),
        net_liquidation=as_float(known.net_liquidation) if known else None,
        source=known.source if known else None,
        as_of=known.as_of if known else None,
    )


def _totals(accounts: Sequence[Account], legs: Sequence[Leg]) -> TotalsThen:
    currency = totals_currency(accounts)
    totals: dict[str, Any] = book_totals(
        legs=legs,
        accounts=[Money(currency, None, None)],
        currency=currency,
        rates=rates_into(currency, [leg.currency for leg in legs]),
    )
    return TotalsThen(**{name: totals[name] for name in _TOTALS})
