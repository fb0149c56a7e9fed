"""The figures of ``/system`` as an API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.views import APIView

from config.core.api.parameters import QueryParameters
from config.core.api.shapes import Moment, Number, Shape, about, read_shape
from config.core.caching.invalidation import clear_cache
from config.core.monitoring.reading import get_history, get_metrics

ENCODER = msgspec.json.Encoder()


class Performance(Shape):
    """Requests of the last hour. Times in milliseconds."""

    requests: int
    avg_response_time: Number
    p95_response_time: Number
    p99_response_time: Number
    cache_hits: int
    cache_misses: int
    cache_hit_rate: Annotated[Number, about("0 to 1; null where no cache was asked.")]
    slow_requests: Annotated[int, about("Longer than a second.")]
    database_query_time_ms: Annotated[Number, about("Mean of a request.")]
    external_api_time_ms: Annotated[Number, about("Mean of a request.")]
    failed_requests: Annotated[int, about("Status 500 and above.")]


class EndpointPerformance(Performance):
    endpoint: Annotated[str, about("Method and route.")]


class Calls(Shape):
    calls: int
    failures: int
    failure_rate: Annotated[Number, about("0 to 1.")]
    avg_response_time: Number
    p95_response_time: Number
    p99_response_time: Number
    outcomes: Annotated[dict[str, int], about("`ok`, or why it failed, with how often.")]


class SectionCalls(Calls):
    section: str


class ProviderCalls(Calls):
    provider: str


class MinuteColumns(Shape):
    """One row a minute of all requests, the last one unfinished."""

    at: list[Moment]
    requests: list[int]
    avg_response_time: list[Number]
    p95_response_time: list[Number]
    cache_hit_rate: list[Number]


class Monitoring(Performance):
    since: Annotated[Moment, about("From here to now: 60 to 70 minutes.")]
    slow_queries: int
    query_timeouts: int
    endpoints: list[EndpointPerformance]
    sections: Annotated[list[SectionCalls], about("Of the dashboard.")]
    providers: Annotated[list[ProviderCalls], about("Each try of a call counts.")]
    history: MinuteColumns


class CacheClear(Shape):
    pattern: Annotated[str, about("A shell pattern over keys: gex:*, analytics:*:U1:*.")]


class CacheCleared(Shape):
    """What was removed; ``affected_keys`` names the first 200."""

    event_type: str
    affected_keys: list[str]
    timestamp: Moment
    triggered_by: str
    removed: int


class StaffView(APIView):
    """Base of the desk's own endpoints, for staff."""

    def get_permissions(self) -> list[Any]:
        return [*super().get_permissions(), IsAdminUser()]


class CacheClearView(StaffView):
    """Remove the cached answers whose keys match a pattern. For staff."""

    @extend_schema(operation_id="cache_clear", request=CacheClear, responses=CacheCleared)
    def post(self, request: Request) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        asked = read_shape(CacheClear, request.data)
        event = clear_cache(asked.pattern, triggered_by=request.user.get_username())
        response = HttpResponse(ENCODER.encode(event), content_type="application/json")
        response["Cache-Control"] = "private, no-store"
        return response


class MonitoringView(StaffView):
    """The desk's performance in the last hour, over all its processes. For staff."""

    @extend_schema(operation_id="monitoring", responses=Monitoring)
    def get(self, request: Request) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        body = get_metrics()
        history = get_history()
        body["since"] = _moment(body["since"])
        history["at"] = [_moment(at) for at in history["at"]]
        content = ENCODER.encode(body | {"history": history})
        response = HttpResponse(content, content_type="application/json")
        response["Cache-Control"] = "private, no-store"
        return response


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)
