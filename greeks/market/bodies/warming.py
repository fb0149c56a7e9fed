"""After a minute is stored: build its body in the process that stored it, then announce it."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import structlog

from config.core.clock import market_now
from config.core.live.hub import announce
from greeks.market.bodies.cache import warm_market_body
from greeks.market.bodies.front_door import MINUTES_GROUP
from greeks.market.bodies.questions import CLOSES, MarketQuestion, choice_for
from greeks.market.bodies.readers import has_readers

logger = structlog.get_logger(__name__)

# After an outage many older minutes are stored at once; web processes find them when they look.
_RECENT = timedelta(minutes=3)


def warm_closed_minute(*, slug: str, expiry: date, minute: datetime) -> bool:
    """Store the body that pages read in Redis and announce it; ``False`` if the minute is too old.

    The body is made if somebody read one lately: it takes the whole session's rows.
    A failure here only costs a web process one query: the minute is stored.
    """
    if minute < market_now() - _RECENT:
        return False
    try:
        if has_readers(slug):
            question = MarketQuestion(slug=slug, expiry=expiry, columns=CLOSES)
            warm_market_body(choice=choice_for(question, market_now()))
    except Exception as error:  # noqa: BLE001 - storing minutes goes on, whatever it is
        logger.warning("market_body.not_warmed", slug=slug, reason=type(error).__name__)
    announce(MINUTES_GROUP, {"type": "market.minute_closed", "slug": slug})
    return True
