"""The response monitor hears how each section of the dashboard ended."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from config.core.errors import Unavailable
from config.core.limited_calls import TimeLimitReached, Work
from config.core.monitoring.reading import get_metrics
from portfolio.dashboard.reading import _measured
from tests.config.core.monitoring.measuring import nothing_measured
from tests.servers.valkey import RunningValkey

pytestmark = pytest.mark.django_db(transaction=True)


def sections() -> dict[str, dict[str, Any]]:
    return {each["section"]: each for each in get_metrics()["sections"]}


def test_failure_rate_of_a_section_is_known(
    signed_in: Client, valkey: RunningValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_measured(valkey)
    assert signed_in.get("/api/dashboard").status_code == 200

    def refused() -> None:
        raise Unavailable("The state is not known.")

    monkeypatch.setattr("portfolio.dashboard.health.read_health", refused)
    assert signed_in.get("/api/dashboard").json()["errors"]["health"] == "The state is not known."
    measured = sections()
    health, positions = measured["health"], measured["positions"]
    assert (health["calls"], health["failures"], health["failure_rate"]) == (2, 1, 0.5)
    assert health["outcomes"] == {"ok": 1, "unavailable": 1}
    assert (positions["calls"], positions["failures"]) == (2, 0)
    assert positions["avg_response_time"] > 0


def test_late_section_counts_as_its_whole_limit_unless_the_caller_waited_less(
    valkey: RunningValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_measured(valkey)
    late = TimeLimitReached("Not answered within 2 s.")
    monkeypatch.setattr("portfolio.dashboard.reading._limited", lambda _: {"gex": late})
    _measured({"gex": Work(lambda: None, 2.0)}, limits={"gex": 2.0})
    _measured({"gex": Work(lambda: None, 1.0)}, limits={"gex": 2.0})
    gex = sections()["gex"]
    assert gex["outcomes"] == {"time_limit": 1}
    assert gex["avg_response_time"] == 2000.0
