"""Store the closing chains of a few minutes an hour, with which a day is replayed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
import structlog

from config.core.upsert import upsert_each
from greeks.minutes.chain_codec import pack_chain
from greeks.minutes.stored import Chain
from greeks.models import ChainSnapshot

logger = structlog.get_logger(__name__)

#: A packed chain larger than this is not kept: some four thousand contracts.
LARGEST = 256 * 1024
_COLUMNS = ("instrument_key", "expiry", "minute", "session_date", "source", "as_of", "packed")
_KEY = ("instrument_key", "expiry", "minute")


class _Head(msgspec.Struct):
    source: str
    as_of: datetime


def write_chains(chain: Chain, bodies: Mapping[datetime, str]) -> int:
    """Store chains by minute; returns how many. Of two for a minute the later one stays.

    The caller opens the transaction. What is no chain, or too large, is logged and left out.
    """
    rows = []
    for minute, body in bodies.items():
        try:
            head = msgspec.json.decode(body, type=_Head)
            packed = pack_chain(body)
        except msgspec.DecodeError as error:
            logger.warning("chain_not_kept", minute=str(minute), reason=str(error)[:200])
            continue
        if len(packed) > LARGEST:
            logger.warning("chain_not_kept", minute=str(minute), reason=f"{len(packed)} bytes")
            continue
        of = (chain.instrument_key, chain.expiry, minute, chain.session_date)
        rows.append([*of, head.source, head.as_of, packed])
    later = "{old}.as_of < {new}.as_of"
    return sum(upsert_each(ChainSnapshot, _COLUMNS, rows, unique=_KEY, only_if=later))
