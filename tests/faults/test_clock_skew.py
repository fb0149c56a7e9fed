"""A clock that is wrong shows: tasks are discarded as expired by it, and nobody would know."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from config.core.clock import now
from config.core.health import clock_skews, heartbeat, heartbeat_age, run_checks
from config.core.redis.client import key, redis_client
from config.core.redis.process_copies import forget_process_copies

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.mark.parametrize(("hours", "side"), [(2, "ahead"), (-2, "behind")])
def test_worker_whose_clock_is_wrong_degrades_health(hours: int, side: str) -> None:
    with time_machine.travel(now() + timedelta(hours=hours)):
        heartbeat("worker")
    forget_process_copies()
    check = run_checks().checks["clock"]
    assert check.status == "degraded"
    assert "worker on" in check.detail
    assert f"s {side}" in check.detail
    [skew] = [skew for name, skew in clock_skews().items() if name.startswith("worker")]
    assert abs(skew - hours * 3600) < 60


@pytest.mark.parametrize("hours", [2, -2])
def test_age_of_a_heartbeat_is_by_one_clock(hours: int) -> None:
    """Beat that ends while its clock is ahead does not look alive until that time comes."""
    with time_machine.travel(now() + timedelta(hours=hours)):
        heartbeat("beat")
    age = heartbeat_age("beat")
    assert age is not None
    name = key("heartbeat", "beat")
    redis_client().pexpire(name, redis_client().pttl(name) - 90_000)
    assert 90 <= (heartbeat_age("beat") or 0) - age < 120


def test_clocks_that_agree_are_well() -> None:
    heartbeat("worker")
    assert run_checks().checks["clock"].status == "ok"
    assert len(clock_skews()) == 2
