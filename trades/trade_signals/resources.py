"""Signals as sections of the dashboard and endpoints of the API. They are never cached."""

from __future__ import annotations

from typing import Final

from config.core.caching.resources import Resource, declare_resource

_SECTIONS: Final = (
    Resource(
        name="signals:queued",
        path="/api/signals/queued",
        section="queued_signals",
        parameters=("account_id",),
        fetch="trades.trade_signals.reading.queued_signals",
        shape="trades.trade_signals.shapes.QueuedSignals",
    ),
    Resource(
        name="shadow_positions",
        path="/api/shadow-positions",
        section="shadow_positions",
        parameters=("account_id",),
        fetch="trades.trade_signals.reading.shadow_positions",
        shape="trades.trade_signals.shapes.ShadowPositions",
    ),
)


def declare_signals() -> None:
    """Declare all of them."""
    for resource in _SECTIONS:
        declare_resource(resource)
