"""Store minutes and days from the first day, for the journal to look back on.

A minute is labelled by its start in market time and holds its last complete values; writing it
again replaces them. The day's row holds its latest values, so at the end the closing ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from config.core.upsert import upsert
from greeks.calendar.exchanges import exchange_in_zone
from greeks.calendar.sessions import session_dates
from greeks.domain import Quote
from greeks.models import ContractGreekHistory
from portfolio.book.position_row import PositionRow
from portfolio.exposure.columns import Leg, Money
from portfolio.exposure.totals import book_totals
from portfolio.models import Account, AccountDay, AccountHistory, AccountStatus, PriceBar

_GREEKS = ("delta", "gamma", "theta", "vega", "implied_volatility")
GREEK_COLUMNS = (
    *_GREEKS,
    *(f"{name}_raw" for name in _GREEKS),
    "underlying_price",
    "source",
    "as_of",
    "inputs",
)
_TOTALS = ("delta", "dollar_delta", "gamma", "theta", "vega")
_MONEY = (
    "net_liquidation",
    "buying_power",
    "excess_liquidity",
    "maint_margin",
    "unrealized_pnl",
    "realized_pnl",
)


def minute_of(moment: datetime) -> datetime:
    """Return the start of the minute, UTC."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def session_dates_of(account: Account) -> Callable[[datetime], date]:
    """Return a function giving the session date of any moment for the account.

    The exchange is the one in the account's time zone, so weekends and holidays count to the
    session before (``session_date_for``). In other zones, and for simulated accounts (which trade
    at weekends), it is the account's calendar day.
    """
    exchange = None if account.simulated else exchange_in_zone(account.time_zone)
    if exchange is None:
        return partial(calendar_day_of, account)
    return session_dates(exchange.name)


def calendar_day_of(account: Account, moment: datetime) -> date:
    """Return the account's calendar day at ``moment``; UTC's if its zone is unknown."""
    try:
        zone: Any = ZoneInfo(account.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        zone = UTC
    return moment.astimezone(zone).date()


def record_account_minute(
    *,
    account: Account,
    status: AccountStatus | None,
    positions: Sequence[PositionRow],
    rates: Mapping[str, float],
    source: str,
    at: datetime,
    session_date: date,
) -> None:
    """Write the account's minute and day. ``at`` is market time, ``rates`` units of base currency.

    Three queries.
    """
    currency = status.currency if status is not None else account.base_currency
    totals = book_totals(
        legs=[_leg(position) for position in positions],
        accounts=[Money(currency, None, None)],
        currency=currency,
        rates=rates,
    )
    values: dict[str, Any] = {name: getattr(status, name, None) for name in _MONEY}
    values |= {name: totals[name] for name in _TOTALS}
    values |= {
        "positions": len(positions),
        "positions_without_greeks": totals["legs_without_greeks"],
        "source": source,
        "as_of": at,
    }
    upsert(
        AccountHistory,
        ("account_id", "minute", "session_date", *values),
        [(account.pk, minute_of(at), session_date, *values.values())],
        unique=("account_id", "minute"),
    )
    opening = (
        AccountDay.objects.filter(account=account, session_date=session_date)
        .values_list("opening_net_liquidation", flat=True)
        .first()
    )
    if opening is None:
        opening = values["net_liquidation"]
    upsert(
        AccountDay,
        ("account_id", "session_date", "opening_net_liquidation", *values),
        [(account.pk, session_date, opening, *values.values())],
        unique=("account_id", "session_date"),
    )


def record_greeks_minute(rows: Iterable[Sequence[Any]], *, at: datetime) -> None:
    """Store the minute's Greeks of held contracts: instrument id, then ``GREEK_COLUMNS``. One
    query."""
    minute = minute_of(at)
    upsert(
        ContractGreekHistory,
        ("minute", "instrument_id", *GREEK_COLUMNS),
        [(minute, *row) for row in rows],
        unique=("instrument_id", "minute"),
    )


def record_price_bars(quotes: Mapping[int, Quote], *, at: datetime) -> None:
    """Fold prices by instrument id into the minute's bars. One query.

    Folding the same sample twice changes only the sample count.
    """
    minute = minute_of(at)
    rows = []
    for instrument_id, quote in sorted(quotes.items()):
        price = quote.price
        if price is not None:
            rows.append(
                (instrument_id, minute, price, price, price, price, 1, quote.source, quote.as_of)
            )
    upsert(
        PriceBar,
        ("instrument_id", "minute", "open", "high", "low", "close", "samples", "source", "as_of"),
        rows,
        unique=("instrument_id", "minute"),
        keep=("open",),
        highest=("high",),
        lowest=("low",),
        added=("samples",),
    )


def _leg(position: PositionRow) -> Leg:
    return Leg(
        underlying=position.underlying,
        instrument_type=position.instrument_type,
        expiry=position.expiry,
        dte=position.dte,
        currency=position.currency,
        quantity=float(position.quantity),
        multiplier=float(position.multiplier),
        price=_float(position.price),
        market_value=_float(position.market_value),
        unrealized_pnl=_float(position.unrealized_pnl),
        daily_change=_float(position.daily_change),
        delta=position.delta_raw,
        gamma=position.gamma_raw,
        theta=position.theta_raw,
        vega=position.vega_raw,
        underlying_price=_float(position.underlying_price),
    )


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
