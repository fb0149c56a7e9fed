"""Store snapshots of gamma exposure, one a symbol, definition and five-minute slot."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from functools import partial

import msgspec
from django.db import transaction

from config.core.live.hub import announce
from config.core.upsert import upsert_each
from greeks.gex.chains.subjects import group_of
from greeks.gex.shapes import GexData
from greeks.models import GexSnapshot

SLOT_SECONDS = 300
_COLUMNS = (
    "symbol", "definition_version", "dealers", "slot", "session_date", "as_of", "source",
    "simulated", "spot", "gamma_exposure", "gamma_without_zero_dte", "absolute_exposure",
    "zero_gamma", "zero_gamma_reason", "call_wall", "put_wall", "packed",
)  # fmt: skip
_KEY = ("symbol", "definition_version", "dealers", "slot")
_LEVEL = 6


def slot_of(at: datetime) -> datetime:
    """Return the start of the slot that an instant lies in."""
    return datetime.fromtimestamp(at.timestamp() // SLOT_SECONDS * SLOT_SECONDS, UTC)


def store_snapshot(*, body: GexData, slot: datetime) -> bool:
    """Store a body; of two for a slot the one with later quotes stays. Returns whether it was kept.

    Announced after the commit.
    """
    flip, detail = body.zero_gamma, body.detail
    row = [
        body.symbol,
        body.definition.version,
        body.definition.dealers,
        slot,
        body.session_date,
        body.timestamp,
        body.source,
        body.simulated,
        body.spot,
        body.gamma_exposure,
        None if detail is None else detail.without_zero_dte.gamma_exposure,
        body.absolute_exposure,
        flip.level,
        flip.reason or "",
        body.call_wall,
        body.put_wall,
        zlib.compress(msgspec.msgpack.encode(body), _LEVEL),
    ]
    with transaction.atomic():
        (kept,) = upsert_each(
            GexSnapshot, _COLUMNS, [row], unique=_KEY, only_if="{old}.as_of <= {new}.as_of"
        )
        if kept:
            told = {"type": "gex.computed", "slot": slot.isoformat()}
            transaction.on_commit(partial(announce, group_of(body.symbol), told))
    return bool(kept)
