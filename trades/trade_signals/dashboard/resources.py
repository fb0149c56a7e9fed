"""Signals as sections of the dashboard and endpoints of the API. Only the figures are cached."""

from __future__ import annotations

from typing import Final

from config.core.caching.changes import Change
from config.core.caching.resources import Resource, declare_resource

_SECTIONS: Final = (
    Resource(
        name="queued_signals",
        path="/api/signals/queued",
        section="queued_signals",
        parameters=("account_id",),
        fetch="trades.trade_signals.dashboard.sections.queued_signals",
        shape="trades.trade_signals.shapes.QueuedSignals",
    ),
    Resource(
        name="shadow_positions",
        path="/api/shadow-positions",
        section="shadow_positions",
        parameters=("account_id",),
        fetch="trades.trade_signals.dashboard.sections.shadow_positions",
        shape="trades.trade_signals.shapes.ShadowPositions",
    ),
    Resource(
        name="exit_signals",
        path="/api/exit-signals",
        section="exit_signals",
        parameters=("account_id",),
        fetch="trades.trade_signals.dashboard.sections.exit_signals",
        shape="trades.trade_signals.shapes.ExitSignals",
    ),
    Resource(
        name="source_performance",
        path="/api/performance/sources",
        section="source_performance",
        parameters=("start", "end"),
        fetch="trades.trade_signals.performance.source_performance",
        shape="trades.trade_signals.shapes.SourcePerformances",
        complete="trades.trade_signals.performance.complete_days",
        scope="trades.trade_signals.performance.performance_scope",
        key="performance:sources:{date_range}",
        ttl=600,
        stale_seconds=3600,
        changed_by=frozenset({Change.SIGNAL_UPDATE, Change.EXECUTION_UPDATE}),
    ),
)


def declare_signals() -> None:
    """Declare all of them."""
    for resource in _SECTIONS:
        declare_resource(resource)
