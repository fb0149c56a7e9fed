"""The Prometheus metrics."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Counter, Histogram

from config.core.monitoring.measured import PROMETHEUS_BUCKETS, Measured


class CountedHistogram(Histogram):
    """A histogram that accepts many observations at once."""

    def observe_counted(self, counts: Sequence[int], total: float) -> None:
        """Add ``counts[i]`` observations to bucket ``i`` (the last is unbounded); ``total`` is
        their sum."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


_ROUTE = ("method", "route")
REQUEST_SECONDS = CountedHistogram(
    "greekdesk_request_seconds",
    "Seconds of each request, by route.",
    (*_ROUTE, "status"),
    buckets=PROMETHEUS_BUCKETS,
)
PROVIDER_SECONDS = CountedHistogram(
    "greekdesk_provider_call_seconds",
    "Seconds of each try of a provider call, by outcome.",
    ("provider", "outcome"),
    buckets=PROMETHEUS_BUCKETS,
)
SECTION_SECONDS = CountedHistogram(
    "greekdesk_section_seconds",
    "Seconds to fetch a section of the dashboard, by outcome.",
    ("section", "outcome"),
    buckets=PROMETHEUS_BUCKETS,
)
QUERIES = Counter("greekdesk_queries_total", "Queries that were slow or timed out.", ("outcome",))
CACHE_LOOKUPS = Counter(
    "greekdesk_request_cache_lookups_total", "Cache lookups of requests.", (*_ROUTE, "result")
)
WAITED_SECONDS = Counter(
    "greekdesk_request_waited_seconds_total",
    "Seconds that requests spent in the database and in provider calls.",
    (*_ROUTE, "for"),
)
SLOW_REQUESTS = Counter(
    "greekdesk_slow_requests_total", "Requests that took over a second.", _ROUTE
)


def observe(kind: str, name: str, outcome: str, measured: Measured) -> None:
    """Add the measurements of one name and outcome."""
    counts, total = measured.prometheus_counts(), measured.seconds
    if kind == "provider":
        PROVIDER_SECONDS.labels(name, outcome).observe_counted(counts, total)
    elif kind == "section":
        SECTION_SECONDS.labels(name, outcome).observe_counted(counts, total)
    elif kind == "query":
        QUERIES.labels(outcome).inc(measured.count)
    else:
        method, _, route = name.partition(" ")
        REQUEST_SECONDS.labels(method, route, outcome).observe_counted(counts, total)
        for counter, label, value in (
            (CACHE_LOOKUPS, "hit", measured.hits),
            (CACHE_LOOKUPS, "miss", measured.misses),
            (WAITED_SECONDS, "database", measured.database),
            (WAITED_SECONDS, "provider", measured.provider),
        ):
            if value:
                counter.labels(method, route, label).inc(value)
        if slow := measured.slow:
            SLOW_REQUESTS.labels(method, route).inc(slow)
