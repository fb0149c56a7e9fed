"""The chain beside a session's series: the latest poll, or of a past day the one that was kept.

Nothing of today stands beside a past day: a day without a kept chain has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

import msgspec
import structlog
from msgspec.structs import replace
from redis.exceptions import RedisError

from config.core.clock import market_now, parse_clock
from config.core.errors import Unavailable, invalid
from config.core.redis.client import redis_client
from greeks.calendar.exchanges import exchange_named
from greeks.calendar.sessions import Session
from greeks.market.bodies.questions import MarketChoice
from greeks.minutes.kept_chains import kept_chain
from greeks.polling.latest_chain import latest_chain_key
from greeks.polling.sessions import session_for

logger = structlog.get_logger(__name__)


def latest_chain_json(*, slug: str, expiry: date) -> str | None:
    """Return the JSON, ``None`` if nothing was polled. Raises ``Unavailable`` without Redis."""
    try:
        stored = redis_client().get(latest_chain_key(slug, expiry))
    except RedisError as error:
        logger.warning("market_chain.not_read", reason=type(error).__name__)
        raise Unavailable("The latest chain cannot be read now.") from error
    return None if stored is None else str(stored)


def is_current(choice: MarketChoice) -> bool:
    """Return whether the choice is of the session shown by default: open, or the last one."""
    session = session_for(choice.instrument, market_now())
    return session is not None and session.session_date == choice.chain.session_date


def chain_json(choice: MarketChoice, at: time | None = None) -> bytes | None:
    """Return the body of a choice's chain as JSON; ``None`` if there is none.

    Of the current session that is the latest poll, unless ``at`` (exchange time) asks for the last
    one kept up to then. Raises ``Unavailable`` without Redis.
    """
    if at is None and is_current(choice):
        latest = latest_chain_json(slug=choice.instrument.slug, expiry=choice.chain.expiry)
        return None if latest is None else latest.encode()
    kept = kept_chain(choice.chain, None if at is None else _instant(choice.session, at))
    if kept is None:
        return None
    zone = exchange_named(choice.session.exchange).zone
    return msgspec.json.encode(
        replace(
            kept.chain,
            as_of=kept.chain.as_of.astimezone(zone),
            minute=kept.minute.astimezone(zone),
            kept_minutes=[minute.astimezone(zone) for minute in kept.minutes],
        )
    )


def shown_chain(choice: MarketChoice, at: time | None) -> Mapping[str, Any] | None:
    """Return the decoded chain for a page; ``None`` if there is none or Redis is down."""
    try:
        text = chain_json(choice, at)
    except Unavailable:
        return None
    return None if text is None else msgspec.json.decode(text)


def parse_time(text: str | None) -> time | None:
    """Parse ``HH:MM``; ``None`` if absent. Raises ``InvalidInput``."""
    if text is None:
        return None
    try:
        return parse_clock(text, "%H:%M").time()
    except ValueError:
        raise invalid("at", "Expected HH:MM, in the exchange's time.") from None


def _instant(session: Session, at: time) -> datetime:
    """Return a time of day within a session, which may go past midnight."""
    zone = exchange_named(session.exchange).zone
    instant = datetime.combine(session.session_date, at, zone)
    goes_on = session.closes_at.astimezone(zone).date() > session.session_date
    return instant + timedelta(days=1) if goes_on and instant < session.opens_at else instant
