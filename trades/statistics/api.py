"""``GET /api/trades/statistics``: parse, authorise, call one function, answer."""

from __future__ import annotations

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from portfolio.accounts.answers import ACCOUNT_ID, private_json
from trades.statistics import shapes
from trades.statistics.filter import STRATEGIES, read_filter
from trades.statistics.report import statistics_report

PARAMETERS = [
    ACCOUNT_ID,
    OpenApiParameter("start", str, description="YYYY-MM-DD, inclusive; a year before the end."),
    OpenApiParameter("end", str, description="YYYY-MM-DD, inclusive; today by default."),
    OpenApiParameter("currency", str, description="Of the trades; the accounts' by default."),
    OpenApiParameter("strategy", str, enum=[*STRATEGIES[1:]]),
    OpenApiParameter("underlying", str, description="Only of this underlying."),
    OpenApiParameter("tag", str, description="Only with this tag."),
]


class StatisticsView(APIView):
    """Statistics of the trades closed between two days, all of them and by group."""

    @extend_schema(
        operation_id="trade_statistics", parameters=PARAMETERS, responses=shapes.Statistics
    )
    def get(self, request: Request) -> HttpResponse:
        wanted = read_filter(request.query_params, request.user)
        return private_json(statistics_report(wanted))
