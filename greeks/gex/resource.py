"""Gamma exposure as a resource of the desk: ``gex:{symbol}:{date}``, fresh for five minutes."""

from __future__ import annotations

from typing import Final

from config.core.caching.resources import Resource

#: Days for which the last good answer is kept for when the chain cannot be fetched.
KEPT_DAYS: Final = 4

GEX: Final = Resource(
    name="gex",
    path="/api/gex",
    section="gex",
    parameters=("symbol",),
    fetch="greeks.gex.reading.compute_gex",
    shape="greeks.gex.shapes.GexData",
    complete="greeks.gex.reading.complete_question",
    fallback="greeks.gex.reading.last_good",
    warm="greeks.gex.warming.questions_to_warm",
    prepared="greeks.gex.snapshots.keep_snapshot",
    is_public=True,
    has_own_view=True,
    key="gex:{symbol}:{date}",
    ttl=300,
    stale_seconds=KEPT_DAYS * 86_400,
    is_critical=True,
    time_limit=5.0,
)
