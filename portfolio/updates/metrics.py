"""The update queue's figures for Prometheus, and the alarm when portfolios wait too long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from config.core.alarms import Alarm, register_alarm
from config.core.monitoring.scraping import register_collector
from portfolio.updates.statistics import COUNTS, LATE_SECONDS, get_queue_stats

_PREFIX: Final = "greekdesk_update_queue"
_GAUGES: Final = {
    "pending_updates": ("pending", "Portfolios that wait."),
    "in_progress": ("in_progress", "Portfolios being computed."),
    "rate_limit_windows": ("windows", "Portfolios computed in the last minute."),
    "coalescing_ratio": ("coalescing_ratio", "Requests to each recalculation."),
    "overdue_seconds": ("overdue_seconds", "How long the first that is due has been waiting."),
}
_QUANTILES: Final = {"0.5": "delay_p50_seconds", "0.99": "delay_p99_seconds"}


class QueueCollector(Collector):
    """Reads the queue when it is asked; what Redis cannot tell is absent."""

    def collect(self) -> Iterator[Metric]:
        figures = get_queue_stats()
        for figure, (name, text) in _GAUGES.items():
            if (value := figures[figure]) is not None:
                yield GaugeMetricFamily(f"{_PREFIX}_{name}", text, value=float(value))
        delays = GaugeMetricFamily(
            f"{_PREFIX}_delay_seconds",
            "From the first move to the end, of the last 1,000 recalculations.",
            labels=("quantile",),
        )
        for quantile, figure in _QUANTILES.items():
            if (value := figures[figure]) is not None:
                delays.add_metric((quantile,), value)
        events = CounterMetricFamily(
            f"{_PREFIX}_events", "What happened since Redis started.", labels=("event",)
        )
        for event in COUNTS:
            if (value := figures[event]) is not None:
                events.add_metric((event,), value)
        yield from (family for family in (delays, events) if family.samples)


register_collector(QueueCollector())


@register_alarm
def late_updates() -> Alarm | None:
    """Alert if a portfolio has been due for longer than a loop needs to claim it."""
    figures = get_queue_stats()
    overdue = figures["overdue_seconds"]
    if overdue is None or overdue <= LATE_SECONDS:
        return None
    loop = "A loop looks at it." if figures["is_processing"] else "No loop looks at it."
    return Alarm(
        subject="update_queue",
        title="Portfolios are updated late",
        text=f"The first has been due for {overdue:.0f} s, {figures['pending_updates']} wait. "
        f"{loop} See docs/updates.md.",
    )
