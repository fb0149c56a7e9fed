"""Account history as columns for a chart: a day's minutes, or days."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Min

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
    ids = [account.account_id for account in accounts]
    rows = AccountHistory.objects.filter(account__in=ids)
    if start is None and end is None:
        start = end = rows.order_by("-session_date").values_list("session_date", flat=True).first()
        if start is not None:
            # Weekend minutes belong to Friday's session; the chart shows only its day.
            opened = rows.filter(session_date=start).aggregate(Min("minute"))["minute__min"]
            rows = rows.filter(minute__lt=opened + timedelta(days=1))
    if start is not None:
        rows = rows.filter(session_date__gte=start)
    if end is not None:
        rows = rows.filter(session_date__lte=end)
    found = rows.order_by("minute").values_list("minute", "account_id", *COLUMNS)
    return _summed(found, accounts) | {"start": start, "end": end, "resolution": "minute"}


def day_history(
    accounts: Sequence[Account], *, start: date | None, end: date | None
) -> dict[str, Any]:
    """Return one closing point per session, summed over accounts; by default the last 30 days.

    Currencies as in ``minute_history``.
    """
    ids = [account.account_id for account in accounts]
    rows = AccountDay.objects.filter(account__in=ids)
    if end is None:
        end = rows.order_by("-session_date").values_list("session_date", flat=True).first()
    if start is None and end is not None:
        start = end - timedelta(days=DAYS_BY_DEFAULT)
    if start is not None:
        rows = rows.filter(session_date__gte=start)
    if end is not None:
        rows = rows.filter(session_date__lte=end)
    zone = ZoneInfo(accounts[0].time_zone) if accounts else ZoneInfo("UTC")
    found = [
        (datetime.combine(row[0], time.min, tzinfo=zone), *row[1:])
        for row in rows.order_by("session_date").values_list("session_date", "account_id", *COLUMNS)
    ]
    return _summed(found, accounts) | {"start": start, "end": end, "resolution": "day"}


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
    scales = _scales(accounts)
    series: dict[str, list[Any]] = {"at": [], **{name: [] for name in COLUMNS}}
    latest: dict[str, tuple[datetime, tuple[Any, ...]]] = {}

    def values_at(account: Account, at: datetime) -> tuple[Any, ...] | None:
        last_at, values = latest.get(account.account_id, (None, None))
        if last_at is None or last_at == at:
            return values
        return values if local_date(account, last_at) == local_date(account, at) else None

    def point(at: datetime) -> None:
        series["at"].append(at)
        found = [(scales[a.account_id], values_at(a, at)) for a in accounts]
        for index, name in enumerate(COLUMNS):
            numbers = [
                None if values is None else _scaled(values[index], scale) for scale, values in found
            ]
            known = [number for number in numbers if number is not None]
            series[name].append(sum(known) if len(known) == len(accounts) else None)

    current: datetime | None = None
    for at, account_id, *values in rows:
        if current is not None and at != current:
            point(current)
        current = at
        latest[account_id] = (at, tuple(values))
    if current is not None:
        point(current)
    return {"series": series}


def _scaled(value: Any, scale: float | None) -> float | None:
    return None if value is None or scale is None else float(value) * scale
