"""History of accounts as columns, ready for a chart: minutes of a day, or days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from portfolio.models import Account, AccountDay, AccountHistory
from portfolio.selectors.books import totals_currency

COLUMNS = ("net_liquidation", "delta", "dollar_delta", "gamma", "theta", "vega")
DAYS_BY_DEFAULT = 30


def minute_history(
    accounts: Sequence[Account], *, start: date | None, end: date | None
) -> dict[str, Any]:
    """One point a minute, summed over the accounts; the last recorded session by default.

    A minute in which one of the accounts has no row carries that account's last value of the same
    session; before its first row the point is null, and a minute with no row at all is a gap.
    """
    ids = [account.account_id for account in accounts]
    rows = AccountHistory.objects.filter(account__in=ids)
    if start is None and end is None:
        start = end = rows.order_by("-session_date").values_list("session_date", flat=True).first()
    if start is not None:
        rows = rows.filter(session_date__gte=start)
    if end is not None:
        rows = rows.filter(session_date__lte=end)
    found = rows.order_by("minute").values_list("minute", "session_date", "account_id", *COLUMNS)
    return _summed(found, ids) | {"start": start, "end": end, "resolution": "minute"}


def day_history(
    accounts: Sequence[Account], *, start: date | None, end: date | None
) -> dict[str, Any]:
    """One closing point a session, summed over the accounts; the last 30 days by default."""
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
        (datetime.combine(row[0], time.min, tzinfo=zone), None, *row[1:])
        for row in rows.order_by("session_date").values_list("session_date", "account_id", *COLUMNS)
    ]
    return _summed(found, ids) | {"start": start, "end": end, "resolution": "day"}


def history_body(accounts: Sequence[Account], history: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": 1,
        "account_ids": [account.account_id for account in accounts],
        "currency": totals_currency(accounts),
        **history,
    }


def _summed(rows: Any, ids: Sequence[str]) -> dict[str, Any]:
    series: dict[str, list[Any]] = {"at": [], **{name: [] for name in COLUMNS}}
    latest: dict[str, tuple[Any, ...]] = {}
    session: Any = None

    def point(at: datetime) -> None:
        series["at"].append(at)
        for index, name in enumerate(COLUMNS):
            values = [latest[i][index] for i in ids if i in latest]
            whole = len(values) == len(ids) and None not in values
            series[name].append(sum(float(value) for value in values) if whole else None)

    current: datetime | None = None
    for at, session_date, account_id, *values in rows:
        if current is not None and at != current:
            point(current)
        if session_date != session:
            session, latest = session_date, {}
        current = at
        latest[account_id] = tuple(values)
    if current is not None:
        point(current)
    return {"series": series}
