"""One poll of one chain: fetch, fill, sum, keep the sample, show it.

A failed poll is a missing sample and nothing else: the state of the chain says why, and the next
slot polls again. What Redis could not take is lost in the same way: the minute has fewer samples.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import msgspec
import structlog
from django.conf import settings
from redis.exceptions import RedisError

from config.core.clock import market_clock_is_frozen, now
from config.core.errors import ApplicationError, MalformedResponse
from config.core.hub import announce
from config.core.redis_client import redis_client
from greeks.chains import OptionChain
from greeks.exchanges import exchange_named
from greeks.maths.aggregation import ChainSums, FilledGreeks, sum_chain
from greeks.models import PolledInstrument
from greeks.selectors.chain_states import PollRecord, read_record, record_key
from greeks.selectors.dividends import known_dividends
from greeks.selectors.market_sessions import open_session
from greeks.selectors.polled_instruments import instrument_by_slug, poll_seconds
from greeks.services.chain_body import chain_body, store_latest_chain
from greeks.services.chain_fill import ChainTerms, fill_greeks
from greeks.services.chain_providers import chain_provider
from greeks.services.chain_samples import ChainSample, last_slot, store_sample
from greeks.services.chain_terms import chain_expires_at, chain_is_american
from greeks.services.forming_minute import forming_minute
from greeks.services.model_greeks import years_to

logger = structlog.get_logger(__name__)

# As long as the latest chain.
_STATE_SECONDS = 4 * 86_400
_LONGEST_ERROR = 300


class Outcome(StrEnum):
    """What became of a poll."""

    SAMPLED = "sampled"
    #: The slot had a sample already: another worker was first.
    REPEATED = "repeated"
    #: The exchange is closed: the chain is shown, and no sample is made of it.
    CLOSED = "closed"
    #: Redis did not take the sample.
    UNSTORED = "unstored"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What a poll did. ``error`` and ``code`` are set where it failed."""

    slug: str
    expiry: date
    slot: datetime
    outcome: Outcome
    seconds: float
    sample: ChainSample | None = None
    code: str = ""
    error: str = ""


def group_of(slug: str, expiry: date) -> str:
    """The announcements of one chain."""
    return f"market.{slug}.{expiry.isoformat()}"


def poll_chain(
    *, slug: str, expiry: date, slot: datetime, every_seconds: int | None = None
) -> Poll:
    """Poll a chain for a slot (market time). ``every_seconds``: how often it is polled, if known.

    Raises ``NotFound`` for an unknown slug. A provider's failure does not raise: it is the outcome.
    """
    started = time.perf_counter()
    instrument = instrument_by_slug(slug)
    try:
        chain = chain_provider(instrument.provider).fetch_chain(instrument.instrument_key, expiry)
        if len(chain) == 0:
            raise MalformedResponse("The chain is empty.", provider=instrument.provider)
    except ApplicationError as error:
        seconds = time.perf_counter() - started
        logger.warning("chain_poll_failed", slug=slug, expiry=str(expiry), code=error.code)
        _remember_failure(slug, expiry, slot, error, seconds)
        return Poll(
            slug=slug,
            expiry=expiry,
            slot=slot,
            outcome=Outcome.FAILED,
            seconds=seconds,
            code=error.code,
            error=error.message[:_LONGEST_ERROR],
        )
    filled = fill_greeks(chain, _terms(instrument, chain, slot))
    sums = sum_chain(chain, filled)
    every = every_seconds or poll_seconds(instrument, slot)
    outcome, sample = _keep(instrument, chain, filled, sums, slot=slot, every_seconds=every)
    seconds = time.perf_counter() - started
    if outcome is not Outcome.UNSTORED:
        _remember_success(slug, chain, sums, slot, seconds)
    return Poll(
        slug=slug, expiry=expiry, slot=slot, outcome=outcome, seconds=seconds, sample=sample
    )


def _terms(instrument: PolledInstrument, chain: OptionChain, slot: datetime) -> ChainTerms:
    is_american = chain_is_american(instrument, chain.expiry)
    at = slot if market_clock_is_frozen() else chain.as_of
    return ChainTerms(
        at=at,
        expires_at=chain_expires_at(instrument, chain.expiry),
        rate=settings.RISK_FREE_RATE if instrument.rate is None else instrument.rate,
        is_american=is_american,
        dividends=_dividends(instrument, chain.expiry, at) if is_american else (),
    )


def _dividends(
    instrument: PolledInstrument, expiry: date, at: datetime
) -> tuple[tuple[float, float], ...]:
    """Years until the opening of each ex-date, and amounts."""
    exchange = exchange_named(instrument.exchange)
    known = known_dividends([instrument.underlying], until=expiry).get(instrument.underlying, ())
    openings = [
        (datetime.combine(day, exchange.opens, tzinfo=exchange.zone), amount)
        for day, amount in known
    ]
    return tuple((years_to(opens, at), amount) for opens, amount in openings if opens > at)


def _keep(
    instrument: PolledInstrument,
    chain: OptionChain,
    filled: FilledGreeks,
    sums: ChainSums,
    *,
    slot: datetime,
    every_seconds: int,
) -> tuple[Outcome, ChainSample | None]:
    """Store the sample, then the body, then tell everybody: no frame runs ahead of the data."""
    slug, expiry = instrument.slug, chain.expiry
    body = chain_body(instrument, chain, filled, sums)
    try:
        before = last_slot(slug, expiry)
        in_minute = before is not None and before.slot >= slot.replace(second=0, microsecond=0)
        sample = ChainSample(
            slot=slot,
            as_of=chain.as_of,
            source=chain.source,
            simulated=instrument.simulated,
            spot=math.nan if chain.spot is None else chain.spot,
            sums=sums,
            seen=before.seen + 1 if before is not None and in_minute else 1,
            expected=60 // every_seconds,
        )
        if open_session(instrument, slot) is None:
            store_latest_chain(slug, expiry, body)
            return Outcome.CLOSED, sample
        if not store_sample(slug, expiry, sample):
            return Outcome.REPEATED, sample
        store_latest_chain(slug, expiry, body)
    except RedisError as error:
        logger.warning("chain_sample_lost", slug=slug, slot=str(slot), reason=type(error).__name__)
        return Outcome.UNSTORED, None
    _announce(instrument, expiry, sample, before.slot if before is not None else None)
    return Outcome.SAMPLED, sample


def _announce(
    instrument: PolledInstrument, expiry: date, sample: ChainSample, before: datetime | None
) -> None:
    announce(
        group_of(instrument.slug, expiry),
        {
            "type": "market.sampled",
            "data": forming_minute(sample, zone=exchange_named(instrument.exchange).zone),
            "version": int(sample.slot.timestamp()),
            "previous_version": None if before is None else int(before.timestamp()),
        },
    )


def _remember_success(
    slug: str, chain: OptionChain, sums: ChainSums, slot: datetime, seconds: float
) -> None:
    at = now()
    _write_record(
        slug,
        chain.expiry,
        PollRecord(
            polled_at=at,
            slot=slot,
            outcome=Outcome.SAMPLED.value,
            succeeded_at=at,
            seconds=round(seconds, 4),
            contracts=sums.contracts,
            contracts_filled=sums.contracts_filled,
            rejected=len(chain.rejected),
        ),
    )


def _remember_failure(
    slug: str, expiry: date, slot: datetime, error: ApplicationError, seconds: float
) -> None:
    try:
        before = read_record(redis_client().get(record_key(slug, expiry)))
    except RedisError:
        return
    _write_record(
        slug,
        expiry,
        PollRecord(
            polled_at=now(),
            slot=slot,
            outcome=error.code,
            error=error.message[:_LONGEST_ERROR],
            succeeded_at=before.succeeded_at if before else None,
            consecutive_failures=(before.consecutive_failures if before else 0) + 1,
            seconds=round(seconds, 4),
        ),
    )


def _write_record(slug: str, expiry: date, record: PollRecord) -> None:
    try:
        redis_client().set(record_key(slug, expiry), msgspec.json.encode(record), ex=_STATE_SECONDS)
    except RedisError as error:
        logger.info("chain_state_lost", slug=slug, reason=type(error).__name__)
