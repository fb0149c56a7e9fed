"""A clock that is wrong shows: tasks are discarded as expired by it, and nobody would know."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from config.core.clock import now
from config.core.health import clock_skews, heartbeat, run_checks
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


def test_clocks_that_agree_are_well() -> None:
    heartbeat("worker")
    assert run_checks().checks["clock"].status == "ok"
    assert len(clock_skews()) == 2
