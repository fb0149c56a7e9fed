"""The market's API: parse, call one function, answer. The same for everybody.

Public unless ``MARKET_DATA_PUBLIC`` is false; then a session or a token is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.views import APIView

from config.core.api.parameters import IDENTIFIER, QueryParameters
from config.core.front_door.answers import private_answer, public_answer
from greeks.market import shapes
from greeks.market.bodies.cache import Served, serve_market_data
from greeks.market.bodies.lists import serve_market_chain, serve_market_instruments
from greeks.market.bodies.questions import ALL, CLOSES, RESOLUTIONS, question_of
from greeks.market.chain import parse_time
from greeks.polling.shapes import MarketChain

DELTA = {"type": "number", "minimum": 0, "maximum": 1}
CLOCK_TIME = {"type": "string", "pattern": "^([01]?[0-9]|2[0-3]):[0-5]?[0-9]$"}
SLUG = OpenApiParameter("slug", IDENTIFIER, description="The instrument; the first one by default.")
INSTRUMENT_KEY = OpenApiParameter(
    "instrument_key", IDENTIFIER, description="The same by the provider's key, instead of slug."
)
EXPIRY = OpenApiParameter("expiry", OpenApiTypes.DATE, description="The nearest polled by default.")


MARKET_DATA = PolymorphicProxySerializer(
    component_name="MarketDataBody",
    serializers=[shapes.MarketData, shapes.MarketCloses],  # type: ignore[list-item]
    resource_type_field_name=None,
)


class MarketView(APIView):
    """What the market's endpoints share: permissions and response headers."""

    def get_authenticators(self) -> list[BaseAuthentication]:
        # Public answers need no identity: read no cookie and no row.
        return [] if settings.MARKET_DATA_PUBLIC else super().get_authenticators()

    def get_permissions(self) -> Sequence[Any]:
        return [] if settings.MARKET_DATA_PUBLIC else super().get_permissions()

    def answer(self, request: HttpRequest, served: Served) -> HttpResponse:
        if settings.MARKET_DATA_PUBLIC:
            response = public_answer(request, served.body, cache_control=served.cache_control)
        else:
            response = private_answer(request, served.body)
        if served.is_stale:
            response["Warning"] = '110 - "Response is Stale"'
        return response


class MarketDataView(MarketView):
    """The series of a session: sums, their change by the minute and since the opening.

    The front door answers the same bytes before Django is asked.
    """

    @extend_schema(
        operation_id="market_data",
        parameters=[
            SLUG,
            INSTRUMENT_KEY,
            EXPIRY,
            OpenApiParameter(
                "date", OpenApiTypes.DATE, description="A session day; the last session by default."
            ),
            OpenApiParameter(
                "delta_min", DELTA, description="Smallest |delta| that is summed, 0 to 1."
            ),
            OpenApiParameter("delta_max", DELTA, description="Largest |delta|, 0 to 1."),
            OpenApiParameter("resolution", str, enum=list(RESOLUTIONS)),
            OpenApiParameter(
                "columns",
                str,
                enum=[ALL, CLOSES],
                description="closes: the slim, rounded body from which the page derives the rest.",
            ),
        ],
        responses=MARKET_DATA,
    )
    def get(self, request: Request) -> HttpResponse:
        question = question_of(request.query_params)
        return self.answer(request, serve_market_data(question=question))


class MarketChainView(MarketView):
    """A chain of an expiry by strike: the latest polled, or of a past day the last one kept."""

    @extend_schema(
        operation_id="market_chain",
        parameters=[
            SLUG,
            INSTRUMENT_KEY,
            EXPIRY,
            OpenApiParameter(
                "date", OpenApiTypes.DATE, description="A session day; a past one is replayed."
            ),
            OpenApiParameter(
                "at",
                CLOCK_TIME,
                description="HH:MM in the exchange's time: the last chain kept up to then.",
            ),
        ],
        responses=MarketChain,
    )
    def get(self, request: Request) -> HttpResponse:
        # The same parameters and meaning as ``/market/data``, and one more.
        parameters = QueryParameters(
            request.query_params, allowed={"slug", "instrument_key", "expiry", "date", "at"}
        )
        at = parse_time(parameters.text("at"))
        values = request.query_params.copy()
        values.pop("at", None)
        return self.answer(request, serve_market_chain(question=question_of(values), at=at))


class MarketInstrumentsView(MarketView):
    """What is polled, and which days and expiries are stored."""

    @extend_schema(operation_id="market_instruments", responses=shapes.MarketInstruments)
    def get(self, request: Request) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        return self.answer(request, serve_market_instruments())
