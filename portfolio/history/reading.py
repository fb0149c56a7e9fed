"""Account history as columns for a chart: a day's minutes, or days."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from math import isnan
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from django.db.models import Min, QuerySet
from numpy.typing import NDArray

from portfolio.accounts.days import local_date
from portfolio.exposure.currencies import currency_of, rates_into, totals_currency
from portfolio.models import Account, AccountDay, AccountHistory

COLUMNS = ("net_liquidation", "dollar_delta", "dollar_gamma", "theta", "vega")
DAYS_BY_DEFAULT = 30


def minute_history(
    accounts: Sequence[Account], *, start: date | None, end: date | None
) -> dict[str, Any]:
    """Return one point per minute, summed over accounts; by default for the last session's day.

    An account without a row in a minute uses its last value of the same local day; before its first
    row the point is null. A minute with no rows at all is a gap. Other currencies are converted at
    the latest rate; null without one.
    """
    rows = AccountHistory.objects.filter(account__in=accounts)
    if start is None and end is None:
        start = end = rows.order_by("-session_date").values_list("session_date", flat=True).first()
        if start is not None:
            # Weekend minutes belong to Friday's session; the chart shows only its day.
            opened = rows.filter(session_date=start).aggregate(Min("minute"))["minute__min"]
            rows = rows.filter(minute__lt=opened + timedelta(days=1))
    found = (
        _between(rows, start, end).order_by("minute").values_list("minute", "account_id", *COLUMNS)
    )
    return _summed(found, accounts) | {"start": start, "end": end, "resolution": "minute"}


def day_history(
    accounts: Sequence[Account], *, start: date | None, end: date | None
) -> dict[str, Any]:
    """Return one closing point per session, summed over accounts; by default the last 30 days.

    Currencies as in ``minute_history``.
    """
    rows = AccountDay.objects.filter(account__in=accounts)
    if end is None:
        end = rows.order_by("-session_date").values_list("session_date", flat=True).first()
    if start is None and end is not None:
        start = end - timedelta(days=DAYS_BY_DEFAULT)
    rows = _between(rows, start, end)
    zone = ZoneInfo(accounts[0].time_zone) if accounts else ZoneInfo("UTC")
    found = [
        (datetime.combine(row[0], time.min, tzinfo=zone), *row[1:])
        for row in rows.order_by("session_date").values_list("session_date", "account_id", *COLUMNS)
    ]
    return _summed(found, accounts) | {"start": start, "end": end, "resolution": "day"}


def _between(rows: QuerySet[Any], start: date | None, end: date | None) -> QuerySet[Any]:
    limits = {"session_date__gte": start, "session_date__lte": end}
    return rows.filter(**{name: day for name, day in limits.items() if day is not None})


def history_body(accounts: Sequence[Account], history: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": 1,
        "account_ids": [account.account_id for account in accounts],
        "currency": totals_currency(accounts),
        **history,
    }


def _scales(accounts: Sequence[Account]) -> dict[str, float | None]:
    """Return the factor for each account's money; ``None`` if its rate is unknown."""
    currency = totals_currency(accounts)
    own = {account.account_id: currency_of(account) for account in accounts}
    rates = rates_into(currency, own.values()) | {currency: 1.0}
    return {account_id: rates.get(name) for account_id, name in own.items()}


def _summed(
    rows: Iterable[tuple[Any, ...]], accounts: Sequence[Account]
) -> dict[str, dict[str, list[Any]]]:
    """Sum the accounts' points; rows are (at, account id, values …), ordered by ``at``.

    An account without a row at a point counts with its last one of the same local day.
    """
    found = list(rows)
    points = list(dict.fromkeys(row[0] for row in found))
    total = np.zeros((len(points), len(COLUMNS)))
    if found:
        place_of = {at: place for place, at in enumerate(points)}
        moments, names, *numbers = zip(*found, strict=True)
        places = np.array([place_of[at] for at in moments])
        values = np.array([np.array(column, dtype=np.float64) for column in numbers]).T
        numbered = {account.account_id: number for number, account in enumerate(accounts)}
        owners = np.array([numbered[name] for name in names])
        scales = _scales(accounts)
        # Accounts of one zone share their days.
        zones = {account.time_zone: account for account in accounts}
        days = {zone: _days(account, points) for zone, account in zones.items()}
        for number, account in enumerate(accounts):
            own = owners == number
            scale = scales[account.account_id]
            total += _carried(
                places[own],
                values[own] * (np.nan if scale is None else scale),
                days[account.time_zone],
            )
    columns = [[None if isnan(x) else x for x in column] for column in total.T.tolist()]
    return {"series": {"at": points, **dict(zip(COLUMNS, columns, strict=True))}}


def _days(account: Account, points: Sequence[datetime]) -> NDArray[np.int64]:
    """Return the number of each point's day in the account's zone."""
    return np.array([local_date(account, at).toordinal() for at in points], dtype=np.int64)


def _carried(
    places: NDArray[np.int64], values: NDArray[np.float64], days: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return one account's values at all points: (rows, columns) at ``places`` → (points, columns).

    A point without a row takes the last one before it of the same day; NaN without one.
    """
    result = np.full((len(days), len(COLUMNS)), np.nan)
    if not len(places):
        return result
    # The row that holds at each point: the last at or before it.
    latest = np.searchsorted(places, np.arange(len(days)), side="right") - 1
    holds = (latest >= 0) & (days[places[latest]] == days)
    result[holds] = values[latest[holds]]
    return result
