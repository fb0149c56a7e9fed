"""Counts of several processes and threads add up, are handed on by themselves, and expire."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import timedelta
from itertools import pairwise

import pytest
import time_machine
from pytest_django.fixtures import Settings

from config.core.clock import now
from config.core.monitoring import counting
from config.core.monitoring.counting import Kind, count, hand_on
from config.core.monitoring.measured import EDGES, PROMETHEUS_BUCKETS, Measured
from config.core.monitoring.prepared import AnswerCounter
from config.core.monitoring.reading import get_history, get_metrics, queries_timed_out
from config.core.redis.client import redis_client
from tests.config.core.monitoring.measuring import nothing_measured
from tests.servers.valkey import RunningValkey

ENDPOINT = "GET api/portfolio/accounts"
# Counts and ends as a process does, without asking anybody to hand on.
PROCESS = f"""
import os
from django.conf import settings
from config.core.monitoring.counting import Kind, count
settings.MONITORING_SECONDS = 0.01
def answer(seconds):
    count(Kind.REQUEST, {ENDPOINT!r}, "200", seconds, hits=1)
answer(0.2)
child = os.fork()
for _ in range(3):
    answer(0.4)
if child:
    os.waitpid(child, 0)
else:
    from config.core.monitoring.counting import hand_on
    hand_on()
    os._exit(0)
"""


@pytest.fixture(autouse=True)
def _afresh(valkey: RunningValkey) -> None:
    nothing_measured(valkey)


@pytest.mark.processes
def test_processes_and_their_forks_add_up_and_lose_nothing_when_they_end() -> None:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", PROCESS], check=True, timeout=110, env=environment)
    count(Kind.REQUEST, ENDPOINT, "503", 1.5, misses=1)
    (row,) = get_metrics()["endpoints"]
    assert (row["requests"], row["failed_requests"], row["slow_requests"]) == (15, 1, 1)
    assert row["avg_response_time"] == pytest.approx((2 * 0.2 + 12 * 0.4 + 1.5) * 1000 / 15)
    assert (row["cache_hits"], row["cache_misses"]) == (14, 1)


def test_threads_lose_no_count_while_it_is_handed_on() -> None:
    door = AnswerCounter()

    def answer() -> None:
        for _ in range(2_000):
            count(Kind.PROVIDER, "upstox", "ok", 0.01)

    def answer_at_the_door() -> None:
        for _ in range(2_000):
            door.count("api/fast", "GET", 200, 0.00003)

    threads = [threading.Thread(target=answer) for _ in range(3)]
    threads.append(threading.Thread(target=answer_at_the_door))
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        hand_on()
    metrics = get_metrics()
    assert metrics["providers"][0]["calls"] == 6_000
    (fast,) = metrics["endpoints"]
    assert (fast["requests"], fast["cache_hits"]) == (2_000, 2_000)
    assert fast["avg_response_time"] == pytest.approx(0.03, rel=0.01)


def test_thread_hands_on_by_itself_and_begins_with_the_first_count(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MONITORING_SECONDS = 0.01
    keeper = counting._Keeper()
    monkeypatch.setattr(counting, "keeper", keeper)
    handed_on = threading.Event()
    monkeypatch.setattr(counting, "store", lambda _: handed_on.set())
    assert keeper._thread is None
    for _ in range(2):
        count(Kind.SECTION, "gex", "ok", 0.1)
        assert handed_on.wait(60)
        handed_on.clear()
    # Else it would wake for the test that follows.
    settings.MONITORING_SECONDS = 0.0


def test_lost_redis_stops_nothing(settings: Settings) -> None:
    settings.REDIS_URL = "unix:///nonexistent/greekdesk.sock?db=0"
    count(Kind.REQUEST, ENDPOINT, "200", 0.1)
    hand_on()


def test_figures_are_of_the_last_hour_and_all_of_it_expires() -> None:
    at = now().replace(minute=5, second=0)
    with time_machine.travel(at, tick=False):
        count(Kind.REQUEST, ENDPOINT, "200", 0.1, hits=1)
        count(Kind.QUERY, "", "timed_out", 4.0)
        hand_on()
    later = at + timedelta(minutes=50)
    with time_machine.travel(later, tick=False):
        count(Kind.REQUEST, ENDPOINT, "200", 0.3, misses=1)
        assert get_metrics()["requests"] == 2
        assert get_metrics()["cache_hit_rate"] == 0.5
        assert (queries_timed_out(minutes=60), queries_timed_out(minutes=5)) == (1, 0)
        history = get_history()
        assert {len(column) for column in history.values()} == {120}
        assert history["requests"][-51:] == [1, *[0] * 49, 1]
        assert history["avg_response_time"][-2:] == [None, pytest.approx(300)]
        assert history["cache_hit_rate"][-51] == 1.0
    with time_machine.travel(at + timedelta(minutes=70), tick=False):
        assert get_metrics()["requests"] == 1
    names = list(redis_client().scan_iter("greekdesk:monitoring:*"))
    assert names
    assert all(0 < redis_client().ttl(name) <= 4 * 3600 for name in names)


def test_memory_in_redis_does_not_grow_with_the_load() -> None:
    at = now()
    sizes = []
    with time_machine.travel(at, tick=False):
        for _ in range(2):
            for milliseconds in range(1, 400):
                count(Kind.REQUEST, ENDPOINT, "200", milliseconds / 1000)
            hand_on()
            names = sorted(redis_client().scan_iter("greekdesk:monitoring:*"))
            sizes.append([redis_client().hlen(name) for name in names])
    assert sizes[0] == sizes[1]


def test_edges_hold_prometheus_and_are_a_tenth_apart() -> None:
    assert set(PROMETHEUS_BUCKETS) <= set(EDGES)
    assert all(1 < high / low <= 1.1 + 1e-9 for low, high in pairwise(EDGES))


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.0010001, 1.0, 10.0, 10.1, 500.0])
def test_each_duration_is_in_prometheus_bucket_that_holds_it(seconds: float) -> None:
    measured = Measured()
    measured.add(seconds)
    bucket = next((n for n, edge in enumerate(PROMETHEUS_BUCKETS) if seconds <= edge), 13)
    assert measured.prometheus_counts()[bucket] == 1
    assert measured.slow == (seconds > 1.0)


@pytest.mark.parametrize("seconds", [[0.0301], [500.0], [0.01, 0.0102, 0.0109], [0.001, 0.3, 0.31]])
def test_largest_is_never_below_the_mean(seconds: list[float]) -> None:
    measured = Measured()
    for each in seconds:
        measured.add(each)
    largest = measured.quantile(0.95)
    assert largest is not None
    assert measured.average is not None
    assert largest >= measured.average
    assert len(seconds) > 1 or largest == measured.average == seconds[0]
    # As near as it was: within a bucket of the real one, the last bucket's apart.
    assert largest == pytest.approx(seconds[-1], rel=0.1)


def test_nothing_measured_is_no_number() -> None:
    measured = Measured()
    assert measured.average is measured.quantile(0.95) is measured.hit_rate is None
