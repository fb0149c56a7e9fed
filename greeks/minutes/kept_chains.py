"""The chains of past minutes, read to replay a day."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime

import msgspec
import structlog

from greeks.minutes.chain_codec import unpack_chain
from greeks.minutes.stored import Chain
from greeks.models import ChainSnapshot
from greeks.polling.shapes import MarketChain

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KeptChain:
    """A chain of a past minute, and all minutes of its day that have one, ascending."""

    minute: datetime
    minutes: tuple[datetime, ...]
    chain: MarketChain


def kept_chain(chain: Chain, at: datetime | None = None) -> KeptChain | None:
    """Return the session's last chain, or the last up to ``at``; ``None`` if there is none.

    Takes two queries. A damaged row counts as none.
    """
    rows = ChainSnapshot.objects.filter(
        instrument_key=chain.instrument_key,
        expiry=chain.expiry,
        session_date=chain.session_date,
    )
    minutes = tuple(rows.order_by("minute").values_list("minute", flat=True))
    minute = next((each for each in reversed(minutes) if at is None or each <= at), None)
    row = None if minute is None else rows.filter(minute=minute).first()
    if minute is None or row is None:
        return None
    try:
        return KeptChain(minute, minutes, unpack_chain(bytes(row.packed)))
    except (msgspec.DecodeError, zlib.error) as error:
        logger.warning("chain_unreadable", row=row.pk, reason=str(error)[:200])
        return None
