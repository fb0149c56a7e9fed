"""The queue's figures for Prometheus, and the alarm when portfolios wait too long."""

from __future__ import annotations

import time

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import Settings

from config.core.alarms import found_alarms
from config.core.health import heartbeat
from config.core.monitoring.scraping import collect_metrics
from portfolio.updates.metrics import late_updates
from portfolio.updates.queue import claim_due, finish, queue_portfolio_updates
from portfolio.updates.rules import Priority
from portfolio.updates.statistics import HEARTBEAT, LATE_SECONDS, get_queue_stats

PREFIX = "greekdesk_update_queue"


def samples() -> dict[tuple[str, str], float]:
    """Return the queue's samples by name and label."""
    return {
        (sample.name.removeprefix(f"{PREFIX}_"), next(iter(sample.labels.values()), "")): (
            sample.value
        )
        for family in text_string_to_metric_families(collect_metrics().decode())
        for sample in family.samples
        if sample.name.startswith(PREFIX)
    }


def test_scraped_figures_are_those_of_the_queue() -> None:
    at = time.time()
    for seconds in (0.0, 0.1, 0.2):
        queue_portfolio_updates({1: ("A",), 2: ("B",)}, Priority.MARKET, at=at + seconds)
    claims = claim_due(most=1, at=at + 60).claims
    finish(claims, at=at + 61)
    queue_portfolio_updates({3: ("C",)}, Priority.MARKET, at=at + 61)
    figures, scraped = get_queue_stats(), samples()
    assert scraped["pending", ""] == figures["pending_updates"] == 2
    assert scraped["windows", ""] == figures["rate_limit_windows"] == 1
    assert scraped["in_progress", ""] == 0
    assert scraped["coalescing_ratio", ""] == figures["coalescing_ratio"] == 7
    assert scraped["delay_seconds", "0.5"] == figures["delay_p50_seconds"]
    assert scraped["delay_seconds", "0.99"] == figures["delay_p99_seconds"]
    assert scraped["events_total", "queued"] == figures["queued"] == 7
    assert scraped["events_total", "finished"] == 1


def test_new_queue_has_no_delay_and_a_lost_redis_no_figure(settings: Settings) -> None:
    scraped = samples()
    assert scraped["pending", ""] == 0
    assert ("delay_seconds", "0.5") not in scraped
    assert ("coalescing_ratio", "") not in scraped
    settings.REDIS_URL = "unix:///nonexistent/greekdesk.sock?db=0"
    assert samples() == {}
    assert late_updates() is None


@pytest.mark.parametrize("is_processing", [True, False])
def test_portfolio_that_is_not_claimed_in_time_is_an_alarm(is_processing: bool) -> None:
    due = time.time() - LATE_SECONDS - 60
    assert late_updates() is None
    queue_portfolio_updates({1: ("A",)}, Priority.MANUAL, at=due)
    if is_processing:
        heartbeat(HEARTBEAT)
    (alarm,) = [each for each in found_alarms() if each.subject == "update_queue"]
    assert alarm.title == "Portfolios are updated late"
    assert ("A loop looks at it." if is_processing else "No loop looks at it.") in alarm.text
    assert "1 wait" in alarm.text
