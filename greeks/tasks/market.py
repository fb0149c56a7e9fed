"""Market tasks: poll chains every slot, roll up minutes on the minute."""

from __future__ import annotations

from datetime import date, datetime

import structlog

from config.core.background.task import desk_task, enqueue
from config.core.clock import market_clock_is_frozen, market_now
from config.core.errors import ApplicationError, ForbiddenError, NotFound
from greeks.alerts.system_events import forbidden_report
from greeks.minutes.roll_up import roll_up_due
from greeks.polling.instruments import enabled_instruments
from greeks.polling.listing import claim_listing, listing_is_due, refresh_listing
from greeks.polling.poll import poll_chain
from greeks.polling.slots import claim_due_polls

logger = structlog.get_logger(__name__)

# Time limit of a poll with all its tries; slots missed meanwhile are missing samples.
_POLL_SECONDS = 20
_LISTING_SECONDS = 30
_ROLL_UP_SECONDS = 30
# A minute's last sample is taken five seconds before its end.
_AFTER_THE_MINUTE = 1.0


@desk_task("greeks.poll_chains", subject="market.polls", seconds=5)
def poll_chains_task() -> None:
    """Queue the slots that begin about now, and listings that are behind."""
    at = market_now()
    for instrument in enabled_instruments():
        if listing_is_due(instrument, at) and claim_listing(instrument.slug):
            enqueue(refresh_listing_task, {"slug": instrument.slug}, expires=_LISTING_SECONDS)
    for due in claim_due_polls(at):
        enqueue(
            poll_chain_task,
            {
                "slug": due.slug,
                "expiry": due.expiry.isoformat(),
                "slot": due.slot.isoformat(),
                "every_seconds": due.every_seconds,
            },
            countdown=due.wait or None,
            expires=due.wait + due.every_seconds,
        )


@desk_task("greeks.poll_chain", subject="chain.{slug}.{expiry}", seconds=_POLL_SECONDS)
def poll_chain_task(slug: str, expiry: str, slot: str, every_seconds: int) -> None:
    """Poll one chain for one slot."""
    try:
        poll = poll_chain(
            slug=slug,
            expiry=date.fromisoformat(expiry),
            slot=datetime.fromisoformat(slot),
            every_seconds=every_seconds,
        )
    except NotFound as error:
        logger.info("poll_of_removed_instrument", slug=slug, reason=error.message)
        return
    if poll.code == ForbiddenError.code:
        forbidden_report(provider=poll.provider, message=poll.error)


@desk_task("greeks.refresh_listing", subject="listing.{slug}", seconds=_LISTING_SECONDS)
def refresh_listing_task(slug: str) -> None:
    """Read which expiries a provider lists; on failure the last good listing stays."""
    try:
        refresh_listing(slug=slug)
    except ApplicationError as error:
        logger.warning("listing_failed", slug=slug, code=error.code, reason=error.message)


@desk_task("greeks.roll_up_minutes", subject="market.minutes", seconds=10)
def roll_up_minutes_task() -> None:
    """On the minute: queue each instrument's roll-up for a second later."""
    into_the_minute = market_now().timestamp() % 60.0
    wait = 0.0 if market_clock_is_frozen() else max(0.0, _AFTER_THE_MINUTE - into_the_minute)
    for instrument in enabled_instruments():
        enqueue(
            roll_up_instrument_task,
            {"slug": instrument.slug},
            countdown=wait or None,
            expires=50,
        )


@desk_task("greeks.roll_up_instrument", subject="minutes.{slug}", seconds=_ROLL_UP_SECONDS)
def roll_up_instrument_task(slug: str) -> None:
    """Write one instrument's minutes that are behind."""
    roll_up_due(slug=slug)
