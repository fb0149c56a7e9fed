"""Properties 14, 15, 16 and 21 of the dashboard's design, on a real Valkey and database."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from pytest_django.fixtures import Settings

from config.core.monitoring import queries
from config.core.monitoring.counting import hand_on
from config.core.monitoring.reading import get_metrics
from tests.config.core.monitoring.measuring import Scripted, events, nothing_measured
from tests.servers.valkey import RunningValkey

FIXTURES_LAST = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NAMES = st.lists(st.sampled_from(["gex:SPY", "analytics:pnl", "performance:sources"]), max_size=4)
WAITS = st.lists(st.floats(0.0, 3.0, allow_nan=False), max_size=4)
SECONDS = st.floats(1e-5, 60.0, allow_nan=False)
REQUESTS = st.builds(
    Scripted,
    seconds=SECONDS,
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    route=st.sampled_from(["api/dashboard", "api/gex", "", "api/trades/<str:key>"]),
    status=st.sampled_from([200, 201, 304, 400, 403, 404, 429, 500, 503]),
    hits=NAMES,
    misses=NAMES,
    queries=WAITS,
    calls=WAITS,
)


def afresh(valkey: RunningValkey, caplog: pytest.LogCaptureFixture) -> None:
    """Each example begins with nothing counted and nothing logged."""
    nothing_measured(valkey)
    caplog.clear()


@FIXTURES_LAST
@given(request=REQUESTS)
def test_any_call_is_recorded_with_its_time_and_cache_facts(
    request: Scripted, valkey: RunningValkey, caplog: pytest.LogCaptureFixture
) -> None:
    """Feature: dashboard-performance-optimization, Property 14: For any API endpoint call, the
    Response Monitor should record start time, calculate response time on completion, and log the
    metrics including cache hit/miss information."""
    afresh(valkey, caplog)
    caplog.set_level("INFO")
    request.answer()

    (line,) = events(caplog, "request.finished", "request.slow")
    assert line["endpoint"] == request.endpoint
    assert line["status_code"] == request.status
    assert line["response_time_ms"] == round(request.seconds * 1000, 1)
    assert line["cache_hits"] == sorted(request.hits)
    assert line["cache_misses"] == sorted(request.misses)
    assert line["database_query_time_ms"] == round(sum(request.queries) * 1000, 1)
    assert line["external_api_time_ms"] == round(sum(request.calls) * 1000, 1)

    (kept,) = get_metrics()["endpoints"]
    assert kept["endpoint"] == request.endpoint
    assert kept["requests"] == 1
    assert kept["avg_response_time"] == pytest.approx(request.seconds * 1000, abs=0.001)
    assert (kept["cache_hits"], kept["cache_misses"]) == (len(request.hits), len(request.misses))
    assert kept["database_query_time_ms"] == pytest.approx(sum(request.queries) * 1000, abs=0.002)
    assert kept["external_api_time_ms"] == pytest.approx(sum(request.calls) * 1000, abs=0.002)
    assert kept["failed_requests"] == (request.status >= 500)


@FIXTURES_LAST
@given(request=REQUESTS, edge=st.sampled_from([None, 1.0, math.nextafter(1.0, 2.0)]))
def test_request_longer_than_a_second_is_warned_about_with_the_facts(
    request: Scripted, edge: float | None, valkey: RunningValkey, caplog: pytest.LogCaptureFixture
) -> None:
    """Feature: dashboard-performance-optimization, Property 15: For any API request that takes
    longer than 1 second, the Response Monitor should log a warning with endpoint details, response
    time, and cache metrics."""
    afresh(valkey, caplog)
    caplog.set_level("INFO")
    if edge is not None:
        request.seconds = edge
    is_slow = request.seconds > 1.0
    request.answer()

    warned = events(caplog, "request.slow")
    assert len(warned) == is_slow
    assert get_metrics()["slow_requests"] == len(warned)
    for line in warned:
        assert line["level"] == "warning"
        assert line["endpoint"] == request.endpoint
        assert line["response_time_ms"] == round(request.seconds * 1000, 1)
        assert line["cache_hits"] == sorted(request.hits)
        assert line["cache_misses"] == sorted(request.misses)


def _sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@FIXTURES_LAST
@given(requests=st.lists(REQUESTS, min_size=1, max_size=40), parts=st.integers(1, 4))
def test_what_is_exported_agrees_with_what_happened(
    requests: list[Scripted],
    parts: int,
    valkey: RunningValkey,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Feature: dashboard-performance-optimization, Property 16: For any monitoring data collected,
    the Response Monitor should expose metrics (avg response time, p95, p99, cache hit rate, slow
    request count) in a format consumable by external monitoring tools."""
    afresh(valkey, caplog)
    route = {"method": "GET", "route": "api/dashboard"}
    before = _sample("greekdesk_slow_requests_total", **route)
    counted = _sample("greekdesk_request_seconds_count", **route, status="200")
    for number, request in enumerate(requests):
        request.method, request.route, request.status = "GET", "api/dashboard", 200
        request.answer()
        # As several processes would, each for itself.
        if number % parts == 0:
            hand_on()
    metrics = get_metrics()

    seconds = sorted(request.seconds for request in requests)
    hits = sum(len(request.hits) for request in requests)
    misses = sum(len(request.misses) for request in requests)
    slow = sum(each > 1.0 for each in seconds)
    for kept in (metrics, metrics["endpoints"][0]):
        assert kept["requests"] == len(requests)
        mean = 1000 * sum(seconds) / len(seconds)
        assert kept["avg_response_time"] == pytest.approx(mean, abs=0.005)
        for name, share in (("p95_response_time", 0.95), ("p99_response_time", 0.99)):
            exact = 1000 * seconds[math.ceil(share * len(seconds)) - 1]
            assert kept[name] == pytest.approx(exact, rel=0.1, abs=0.011)
        assert kept["cache_hit_rate"] == (hits / (hits + misses) if hits + misses else None)
        assert kept["slow_requests"] == slow
    assert _sample("greekdesk_slow_requests_total", **route) == before + slow
    name = "greekdesk_request_seconds_count"
    assert _sample(name, **route, status="200") == counted + len(requests)


SECRETS = st.text("abcdefghijklmnop'-$\\", min_size=6, max_size=20).map(lambda text: f"zq{text}zq")
STATEMENTS = st.sampled_from(
    [
        ("SELECT id FROM auth_tokens_user WHERE username = %s", True),
        ("SELECT id FROM auth_tokens_user WHERE username = {} OR id = 31337", True),
        ("WITH named AS (SELECT {} AS name) SELECT name FROM named", True),
        ("UPDATE auth_tokens_user SET email = {} WHERE id = -1", False),
        ("DELETE FROM auth_tokens_user WHERE username = %s", False),
    ]
)


@pytest.mark.django_db
@pytest.mark.database
@FIXTURES_LAST
@given(
    statement=STATEMENTS,
    secret=SECRETS,
    milliseconds=st.floats(0.0, 2000.0),
    threshold=st.integers(100, 1000),
)
def test_slow_query_is_logged_with_its_plan_and_without_its_values(
    statement: tuple[str, bool],
    secret: str,
    milliseconds: float,
    threshold: int,
    valkey: RunningValkey,
    caplog: pytest.LogCaptureFixture,
    settings: Settings,
) -> None:
    """Feature: dashboard-performance-optimization, Property 21: For any database query that takes
    longer than a configured threshold (e.g., 500ms), the system should log the query details for
    performance analysis."""
    afresh(valkey, caplog)
    settings.SLOW_QUERY_MILLISECONDS = threshold
    sql, reads = statement
    literal = "'" + secret.replace("'", "''") + "'"
    # Of the statement itself; that of EXPLAIN takes no time.
    moments = iter((0.0, milliseconds / 1000))
    clock: Any = SimpleNamespace(perf_counter=lambda: next(moments, 0.0))
    with pytest.MonkeyPatch.context() as patch, connection.cursor() as cursor:
        patch.setattr(queries, "time", clock)
        cursor.execute(sql.format(literal), [secret] if "%s" in sql else None)

    logged = events(caplog, "query.slow")
    assert len(logged) == (milliseconds > threshold)
    for line in logged:
        assert line["milliseconds"] == round(milliseconds, 1)
        assert "auth_tokens_user" in line["sql"] or "named" in line["sql"]
        assert (line["plan"] is not None) is reads
        text = str(line)
        assert "zq" not in text
        assert "31337" not in text
    assert get_metrics()["slow_queries"] == len(logged)
