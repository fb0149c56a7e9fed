"""Store minutes and days from the first day, for the journal to look back on.

A minute is labelled by its start in market time and holds its last complete values; writing it
again replaces them. The day's row holds its latest values, so at the end the closing ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from msgspec import structs

from config.core.upsert import upsert
from greeks.models import Instrument
from portfolio.accounts.days import minute_of
from portfolio.book.position_row import PositionRow
from portfolio.book.rows import leg_of
from portfolio.exposure.columns import Leg, Money
from portfolio.exposure.totals import book_totals
from portfolio.models import Account, AccountDay, AccountHistory, AccountStatus
from portfolio.models.account_status import StatusColumns

_TOTALS = ("dollar_delta", "dollar_gamma", "theta", "vega")
_MONEY = tuple(field.name for field in StatusColumns._meta.fields)


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
        legs=[_leg(position, adjusted, session_date) for position in positions],
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


def _leg(position: PositionRow, adjusted: Mapping[int, Decimal | None], today: date) -> Leg:
    terms = {
        "instrument__underlying_key": "",
        "instrument__is_adjusted": position.instrument_id in adjusted,
        "instrument__deliverable_shares": adjusted.get(position.instrument_id),
    }
    return leg_of(structs.asdict(position) | terms, today=today)
