"""Prometheus metrics: durations of requests and provider calls. ``GET /metrics`` is restricted."""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from config.core.errors import Forbidden
from config.core.web.middleware import client_address

logger = structlog.get_logger("config.requests")

REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestHistogram(Histogram):
    """A histogram that takes many observations at once, where one at a time is too slow."""

    def observe_counted(self, counts: Sequence[int], total: float) -> None:
        """Add ``counts[i]`` observations to bucket ``i`` (the last is unbounded); ``total`` is
        their sum."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


REQUEST_SECONDS = RequestHistogram(
    "greekdesk_request_seconds",
    "Seconds from the first to the last middleware, by route.",
    ("method", "route", "status"),
    buckets=REQUEST_BUCKETS,
)
PROVIDER_SECONDS = Histogram(
    "greekdesk_provider_call_seconds",
    "Seconds of each try of a provider call, by outcome.",
    ("provider", "outcome"),
    buckets=REQUEST_BUCKETS,
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestTimingMiddleware:
    """One histogram observation and one log line per request; health checks are not logged."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = self.get_response(request)
        seconds = time.perf_counter() - started
        # The route's pattern, not the URL: URLs are unbounded and may hold anything.
        route = request.resolver_match.route if request.resolver_match else "unmatched"
        method = request.method if request.method in _METHODS else "other"
        REQUEST_SECONDS.labels(method, route, response.status_code).observe(seconds)
        if route not in ("health", "metrics"):
            logger.info(
                "request.finished",
                method=method,
                route=route,
                status=response.status_code,
                milliseconds=round(seconds * 1000, 1),
            )
        return response


@never_cache
@require_safe
def metrics_view(request: HttpRequest) -> HttpResponse:
    """Prometheus text, for staff, holders of ``METRICS_TOKEN``, and this machine."""
    if not _may_read_metrics(request):
        raise Forbidden("Metrics are for staff or the holder of the metrics token.")
    return HttpResponse(collect_metrics(), content_type=CONTENT_TYPE_LATEST)


def collect_metrics() -> bytes:
    """Collect metrics of this process, or of all processes sharing a folder (`manage.py up`)."""
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return generate_latest(REGISTRY)
    # Web processes, workers and streams write to the folder; any web process answers for all.
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _may_read_metrics(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    if user is not None and user.is_active and user.is_staff:
        return True
    scheme, _, offered = request.headers.get("Authorization", "").partition(" ")
    token = settings.METRICS_TOKEN
    if token and scheme == "Bearer" and hmac.compare_digest(offered.encode(), token.encode()):
        return True
    return _is_on_this_machine(request)


def _is_on_this_machine(request: HttpRequest) -> bool:
    # Behind a local proxy everyone comes from loopback; forwarded requests are not local.
    if request.headers.get("X-Forwarded-For") or request.headers.get("Forwarded"):
        return False
    try:
        return ip_address(client_address(request)).is_loopback
    except ValueError:
        return False
