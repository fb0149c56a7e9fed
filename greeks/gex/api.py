"""Gamma exposure's API: parse, call one function, answer. The same for everybody.

Public like the market's data (``MARKET_DATA_PUBLIC``), except for the refresh, which calls
providers.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from config.core.api.parameters import IDENTIFIER, QueryParameters
from config.core.api.shapes import read_shape
from config.core.caching.entry import CachedResult
from config.core.caching.headers import cache_headers
from config.core.errors import invalid
from config.core.front_door.bodies import Body
from greeks.gex import shapes
from greeks.gex.engine.definition import DEALERS, DEFINITIONS
from greeks.gex.history import day_history, kept_gex
from greeks.gex.questions import GexQuestion
from greeks.gex.reading import answer_gex, refresh_gex
from greeks.market.api import CLOCK_TIME, MarketView
from greeks.market.bodies.cache import RUNNING, STALE, Served
from greeks.market.chain import parse_time

_SYMBOL = OpenApiParameter(
    "symbol", IDENTIFIER, description="The underlying; the first one by default."
)
_DEFINITION = OpenApiParameter("definition", str, enum=list(DEFINITIONS))
_DEALERS = OpenApiParameter(
    "dealers", str, enum=list(DEALERS), description="What dealers are assumed to hold."
)
_MOST_EXPIRIES = 60
_ASKED = frozenset({"symbol", "definition", "dealers"})


_PARAMETERS = [
    _SYMBOL,
    _DEFINITION,
    _DEALERS,
    OpenApiParameter(
        "expiries", str, description="YYYY-MM-DD, several with commas; all by default."
    ),
    OpenApiParameter("date", OpenApiTypes.DATE, description="A session day to replay."),
    OpenApiParameter(
        "at",
        CLOCK_TIME,
        description="With a date: the last up to HH:MM of the exchange.",
    ),
]


class GexView(MarketView):
    """Gamma exposure of a symbol: now, or of a past day's snapshot."""

    @extend_schema(operation_id="gex", parameters=_PARAMETERS, responses=shapes.GexData)
    def get(self, request: Request) -> HttpResponse:
        body, told = _asked(request)
        response = self.answer(request, _served(body, is_stale=body.stale))
        for name, value in cache_headers(told).items():
            response[name] = value
        return response


class MarketGexView(GexView):
    """The same answer under ``/api/market``."""

    @extend_schema(operation_id="market_gex", parameters=_PARAMETERS, responses=shapes.GexData)
    def get(self, request: Request) -> HttpResponse:
        return super().get(request)


class GexHistoryView(MarketView):
    """A day's snapshots of net gamma exposure, zero gamma and walls, of one definition."""

    @extend_schema(
        operation_id="gex_history",
        parameters=[
            _SYMBOL,
            _DEFINITION,
            _DEALERS,
            OpenApiParameter("date", OpenApiTypes.DATE, description="The last day by default."),
        ],
        responses=shapes.GexHistory,
    )
    def get(self, request: Request) -> HttpResponse:
        parameters = QueryParameters(request.query_params, allowed=_ASKED | {"date"})
        history = day_history(_question(parameters), parameters.date("date"))
        return self.answer(request, _served(history))


class GexRefreshView(APIView):
    """Compute a symbol's gamma exposure anew."""

    @extend_schema(operation_id="gex_refresh", request=shapes.GexRefresh, responses=shapes.GexData)
    def post(self, request: Request) -> HttpResponse:
        asked = read_shape(shapes.GexRefresh, request.data)
        body = refresh_gex(asked.symbol)
        return HttpResponse(msgspec.json.encode(body), content_type="application/json")


def _asked(request: Request) -> tuple[shapes.GexData, CachedResult[Any]]:
    parameters = QueryParameters(request.query_params, allowed=_ASKED | {"expiries", "date", "at"})
    question = _question(parameters)
    day, at = parameters.date("date"), parse_time(parameters.text("at"))
    if day is None:
        if at is not None:
            raise invalid("at", "Needs a date.")
        return answer_gex(question)
    if question.expiries:
        raise invalid("expiries", "A snapshot is of all expiries.")
    body = kept_gex(question, day, at)
    return body, CachedResult(body, hit=False)


def _question(parameters: QueryParameters) -> GexQuestion:
    return GexQuestion(
        symbol=parameters.identifier("symbol"),
        definition=parameters.text("definition"),
        dealers=parameters.text("dealers"),
        expiries=_days(parameters.text("expiries", maximum_length=11 * _MOST_EXPIRIES)),
    )


def _days(text: str | None) -> tuple[date, ...]:
    try:
        return tuple(sorted({date.fromisoformat(each) for each in (text or "").split(",") if each}))
    except ValueError:
        raise invalid("expiries", "Expected days as YYYY-MM-DD, with commas.") from None


def _served(body: Any, *, is_stale: bool = False) -> Served:
    return Served(Body(msgspec.json.encode(body)), STALE if is_stale else RUNNING, is_stale)
