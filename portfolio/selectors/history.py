"""History of accounts as columns, ready for a chart: minutes of a day, or days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from portfolio.models import Account, AccountDay, AccountHistory
from portfolio.selectors.books import currency_of, rates_into, totals_currency

COLUMNS = ("net_liquidation", "delta", "dollar_delta", "gamma", "theta", "vega")
MONEY_COLUMNS = frozenset({"net_liquidation", "dollar_delta", "theta", "vega"})
DAYS_BY_DEFAULT = 30


def minute_history(
    accounts: Sequence[Account], *, start: date | None, end: date | None
) -> dict[str, Any]:
    """One point a minute, summed over the accounts; the last recorded session by default.

    A minute in which one of the accounts has no row carries that account's last value of the same
    session; before its first row the point is null, and a minute with no row at all is a gap.
    Money of an account in another currency is converted at the latest rate; null without one.
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
    summed = _summed(found, ids, _scales(accounts))
    return summed | {"start": start, "end": end, "resolution": "minute"}


def day_history(
    accounts: Sequence[Account], *, start: date | None, end: date | None
) -> dict[str, Any]:
    """One closing point a session, summed over the accounts; the last 30 days by default.

    Currencies are treated as in ``minute_history``.
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
        (datetime.combine(row[0], time.min, tzinfo=zone), None, *row[1:])
        for row in rows.order_by("session_date").values_list("session_date", "account_id", *COLUMNS)
    ]
    summed = _summed(found, ids, _scales(accounts))
    return summed | {"start": start, "end": end, "resolution": "day"}


def history_body(accounts: Sequence[Account], history: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": 1,
        "account_ids": [account.account_id for account in accounts],
        "currency": totals_currency(accounts),
        **history,
    }


def _scales(accounts: Sequence[Account]) -> dict[str, float | None]:
    """What an account's money is multiplied with; ``None`` where its rate is not known."""
    currency = totals_currency(accounts)
    own = {account.account_id: currency_of(account) for account in accounts}
    rates = rates_into(currency, own.values()) | {currency: 1.0}
    return {account_id: rates.get(name) for account_id, name in own.items()}


def _summed(rows: Any, ids: Sequence[str], scales: Mapping[str, float | None]) -> dict[str, Any]:
    series: dict[str, list[Any]] = {"at": [], **{name: [] for name in COLUMNS}}
    latest: dict[str, tuple[Any, ...]] = {}
    session: Any = None

    def point(at: datetime) -> None:
        series["at"].append(at)
        for index, name in enumerate(COLUMNS):
            values = [_scaled(latest[i][index], scale(i, name)) for i in ids if i in latest]
            known = [value for value in values if value is not None]
            series[name].append(sum(known) if len(known) == len(ids) else None)

    def scale(account_id: str, name: str) -> float | None:
        return scales[account_id] if name in MONEY_COLUMNS else 1.0

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


def _scaled(value: Any, scale: float | None) -> float | None:
    return None if value is None or scale is None else float(value) * scale
