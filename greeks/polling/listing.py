"""The expiries a provider lists: read hourly, keeping the last good listing."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from redis.exceptions import RedisError

from config.core.clock import market_now
from config.core.redis.client import key, redis_client
from greeks.models import PolledInstrument
from greeks.polling.instruments import instrument_by_slug, polled_expiries
from greeks.polling.providers import chain_provider
from greeks.polling.sessions import open_session

logger = structlog.get_logger(__name__)

FRESH = timedelta(hours=1)
#: A listing must be ready when the market opens.
BEFORE_OPENING = timedelta(minutes=20)
# Wait before asking a provider again that could not answer.
_AGAIN_SECONDS = 60


def listing_is_due(instrument: PolledInstrument, at: datetime) -> bool:
    """Return whether to ask the provider for its expiries: in session and shortly before it.

    An instrument that was never listed is due at any time: until then there is nothing to show.
    """
    if instrument.listed_as_of is None:
        return True
    if (
        open_session(instrument, at) is None
        and open_session(instrument, at + BEFORE_OPENING) is None
    ):
        return False
    old = not timedelta(0) <= at - instrument.listed_as_of < FRESH
    wanted = instrument.nearest_expiries > 0
    return old or (wanted and not polled_expiries(instrument, at))


def claim_listing(slug: str) -> bool:
    """Return whether the caller should ask now.

    That is once a minute, however many processes find it due.
    """
    try:
        claimed = redis_client().set(key("listing_asked", slug), 1, nx=True, ex=_AGAIN_SECONDS)
    except RedisError:
        return True
    return bool(claimed)


def refresh_listing(*, slug: str) -> PolledInstrument:
    """Fetch an instrument's expiries from the provider and store them.

    An empty listing changes nothing. Raises the provider's errors, also without changing anything:
    the last listing is polled until it expires.
    """
    instrument = instrument_by_slug(slug)
    listing = chain_provider(instrument.provider).fetch_listing(instrument.instrument_key)
    if not listing.expiries:
        logger.warning("listing_empty", slug=slug, source=listing.source)
        return instrument
    instrument.listed_expiries = [
        {
            "expiry": each.expiry.isoformat(),
            "lot_size": each.lot_size,
            "is_weekly": each.is_weekly,
        }
        for each in sorted(listing.expiries, key=lambda each: each.expiry)
    ]
    instrument.listed_as_of = market_now()
    # Only these columns: an operator may be editing the others.
    instrument.save(update_fields=["listed_expiries", "listed_as_of"])
    logger.info("expiries_listed", slug=slug, expiries=len(listing.expiries))
    return instrument
