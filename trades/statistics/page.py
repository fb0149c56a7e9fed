"""The page of statistics: its CSV files, and what its template shows."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from config.core.caching.resources import resource_named
from config.core.errors import invalid
from config.core.one_reading import one_reading
from config.core.web.filter_fields import FilterField, date_field, symbol_field, text_field
from portfolio.accounts.access import accounts_visible_to
from portfolio.amounts import ENCODER
from trades.analytics.curves import pnl_curve, returns_by_day
from trades.journal.filter_fields import account_field, strategy_field
from trades.statistics import shapes
from trades.statistics.calendar import calendar_month
from trades.statistics.export import WASH_SALES, realised_gains_csv, statistics_csv
from trades.statistics.filter import StatisticsFilter, read_filter
from trades.statistics.groups import DIMENSIONS
from trades.statistics.measures import LEAST_RANKED
from trades.statistics.report import statistics_report

_private = cache_control(private=True, no_cache=True)
_MONTH = re.compile(r"(19[7-9]\d|[2-9]\d{3})-(0[1-9]|1[0-2])", re.ASCII)


@_private
@login_required
@require_safe
def statistics(request: HttpRequest) -> HttpResponseBase:
    """Show the statistics of the trades that the address asks for."""
    wanted = read_filter(request.GET, request.user, also=frozenset({"month", "format"}))
    with one_reading():
        report = statistics_report(wanted)
        accounts = None if wanted.is_narrow() else _accounts(wanted)
    if request.GET.get("format") == "csv":
        return _csv(statistics_csv(report), "statistics")
    month = request.GET.get("month") or None
    if month and not _MONTH.fullmatch(month):
        raise invalid("month", "Expected YYYY-MM.")
    asked = request.GET.copy()
    for name in ("month", "format"):
        asked.pop(name, None)
    address = asked.urlencode()
    tallest = max((each.trades for each in report.distribution), default=0)
    return render(
        request,
        "trades/statistics.html",
        {
            "report": report,
            "accounts": accounts,
            "fields": _fields(request, wanted),
            "dimensions": _dimensions(report),
            "years": _years(report),
            "calendar": calendar_month(report.days, month),
            "bars": [
                {"bin": each, "height": round(100 * each.trades / tallest, 1), "x": 10 * n,
                 "y": round(100 - 100 * each.trades / tallest, 1)}
                for n, each in enumerate(report.distribution)
            ],
            "bars_width": 10 * len(report.distribution),
            "curve": ENCODER.encode(
                {
                    "at": [day.date for day in report.days],
                    "cumulative": [round(day.cumulative, 2) for day in report.days],
                    "net": [round(day.net, 2) for day in report.days],
                }
            ).decode(),
            "least_ranked": LEAST_RANKED,
            "wash_sales": WASH_SALES,
            "gains_url": f"{reverse('trades_realised_gains')}?{address}",
            "data_url": f"{reverse('api_trade_statistics')}?{address}",
        },
    )  # fmt: skip


@_private
@login_required
@require_safe
def realised_gains(request: HttpRequest) -> StreamingHttpResponse:
    """Send the closed lots of the days as CSV."""
    return _csv(realised_gains_csv(read_filter(request.GET, request.user)), "realised-gains")


def _accounts(wanted: StatisticsFilter) -> dict[str, Any]:
    """Return the curve and the returns of whole accounts, as values and for the charts."""
    account_id = wanted.accounts[0].pk if len(wanted.accounts) == 1 else None
    curve = pnl_curve(wanted, account_id=account_id)
    returns = returns_by_day(wanted, account_id=account_id)
    days = {"start": wanted.start.isoformat(), "end": wanted.end.isoformat()}
    address = urlencode(({"account_id": account_id} if account_id else {}) | days)
    return {
        "curve": curve,
        "returns": returns,
        "curve_json": ENCODER.encode(curve).decode(),
        "returns_json": ENCODER.encode(returns).decode(),
        "pnl_url": f"{resource_named('analytics:pnl').path}?{address}",
        "returns_url": f"{resource_named('analytics:returns').path}?{address}",
    }


def _fields(request: HttpRequest, wanted: StatisticsFilter) -> list[FilterField]:
    accounts = accounts_visible_to(request.user)
    return [
        account_field(accounts, request.GET.get("account_id")),
        date_field("start", "Closed from", wanted.start),
        date_field("end", "To", wanted.end),
        symbol_field("underlying", "Underlying", wanted.underlying),
        strategy_field(wanted.strategy),
        text_field("tag", "Tag", wanted.tag),
        symbol_field("currency", "Currency", wanted.currency, longest=8),
    ]


def _csv(lines: Any, name: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _dimensions(report: shapes.Statistics) -> list[tuple[str, list[shapes.Group]]]:
    return [
        (name, found)
        for name in (*DIMENSIONS, "tag")
        if (found := [group for group in report.groups if group.dimension == name])
    ]


def _years(report: shapes.Statistics) -> list[dict[str, Any]]:
    years: dict[str, dict[str, Any]] = {}
    for month in report.months:
        year = years.setdefault(month.month[:4], {"year": month.month[:4], "net": 0.0, "trades": 0})
        year["net"] += month.net
        year["trades"] += month.trades
    return list(years.values())
