"""Store minutes and days from the first day, for the journal to look back on.

A minute is labelled by its start in market time and holds its last complete values; writing it
again replaces them. The day's row holds its latest values, so at the end the closing ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from config.core.upsert import upsert
from greeks.models import Instrument
from portfolio.accounts.days import minute_of
from portfolio.amounts import as_float
from portfolio.book.position_row import PositionRow
from portfolio.exposure.columns import Leg, Money
from portfolio.exposure.deliverables import of_deliverable
from portfolio.exposure.totals import book_totals
from portfolio.models import Account, AccountDay, AccountHistory, AccountStatus

_TOTALS = ("dollar_delta", "dollar_gamma", "theta", "vega")
_MONEY = (
    "net_liquidation",
    "buying_power",
    "excess_liquidity",
    "maint_margin",
    "unrealized_pnl",
    "realized_pnl",
)


def record_account_minute(
    *,
    account: Account,
    status: AccountStatus | None,
    positions: Sequence[PositionRow],
    rates: Mapping[str, float],
    source: str,
    at: datetime,
    session_date: date,
    instruments: Iterable[Instrument],
) -> None:
    """Write the account's minute and day. ``at`` is market time, ``rates`` units of base currency.

    ``instruments`` tell what adjusted options deliver.

    Three queries.
    """
    currency = status.currency if status is not None else account.base_currency
    adjusted = {row.pk: row.deliverable_shares for row in instruments if row.is_adjusted}
    totals = book_totals(
        legs=[_leg(position, adjusted) for position in positions],
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


def _leg(position: PositionRow, adjusted: Mapping[int, Decimal | None]) -> Leg:
    leg = Leg(
        underlying=position.underlying,
        instrument_type=position.instrument_type,
        expiry=position.expiry,
        dte=position.dte,
        currency=position.currency,
        quantity=float(position.quantity),
        multiplier=float(position.multiplier),
        price=as_float(position.price),
        market_value=as_float(position.market_value),
        unrealized_pnl=as_float(position.unrealized_pnl),
        daily_change=as_float(position.daily_change),
        delta=position.delta_raw,
        gamma=position.gamma_raw,
        theta=position.theta_raw,
        vega=position.vega_raw,
        underlying_price=as_float(position.underlying_price),
    )
    if position.instrument_id not in adjusted:
        return leg
    return of_deliverable(leg, adjusted[position.instrument_id])
