"""Poll one chain once: fetch, fill, sum, store the sample, show it.

A failed poll only means a missing sample: the chain's state says why, and the next slot polls
again. The same goes for what Redis could not store: the minute has fewer samples.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import partial

import msgspec
import structlog
from redis.exceptions import RedisError

from config.core.clock import market_clock_is_frozen, now
from config.core.errors import ApplicationError, MalformedResponse
from config.core.live.hub import announce
from config.core.redis.client import redis_client
from config.core.redis.process_copies import ProcessCopies
from greeks.calendar.exchanges import exchange_named
from greeks.chains import OptionChain
from greeks.maths.aggregation import ChainSums, FilledGreeks, sum_chain
from greeks.maths.changes import contract_greeks
from greeks.models import PolledInstrument
from greeks.polling.fill import ChainTerms, fill_greeks
from greeks.polling.forming_minute import forming_minute
from greeks.polling.instruments import poll_seconds, recent_instrument
from greeks.polling.latest_chain import (
    KEPT_SECONDS,
    chain_body,
    is_kept_minute,
    latest_chain_key,
    queue_closing_chain,
)
from greeks.polling.providers import chain_provider
from greeks.polling.samples import (
    ChainSample,
    LastSlot,
    add_sample,
    forget_future_samples,
    last_slot,
    queue_contracts,
    was_added,
)
from greeks.polling.sessions import open_session
from greeks.polling.states import PollRecord, read_record, record_key
from greeks.polling.terms import chain_expires_at, chain_is_american, chain_rate
from greeks.pricing.dividends import going_ex, known_dividends
from greeks.pricing.rounded_gamma import restore_gamma
from greeks.signals import chain_polled
from greeks.underlyings import share_key

logger = structlog.get_logger(__name__)

_LONGEST_ERROR = 300

_stored_here: ProcessCopies[dict[tuple[str, date], LastSlot]] = ProcessCopies(dict)


class Outcome(StrEnum):
    """The result of a poll."""

    SAMPLED = "sampled"
    #: The slot already had a sample: another worker was first.
    REPEATED = "repeated"
    #: The exchange is closed: the chain is shown but not sampled.
    CLOSED = "closed"
    #: Redis did not store the sample.
    UNSTORED = "unstored"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What a poll did. ``error`` and ``code`` are set if it failed."""

    slug: str
    provider: str
    expiry: date
    slot: datetime
    outcome: Outcome
    seconds: float
    sample: ChainSample | None = None
    code: str = ""
    error: str = ""


def group_of(slug: str, expiry: date) -> str:
    """Return the hub group of one chain's announcements."""
    return f"market.{slug}.{expiry.isoformat()}"


def poll_chain(
    *, slug: str, expiry: date, slot: datetime, every_seconds: int | None = None
) -> Poll:
    """Poll a chain for a slot (market time). ``every_seconds``: how often it is polled, if known.

    Raises ``NotFound`` for an unknown slug. A provider's failure is an outcome, not an exception.
    """
    started = time.perf_counter()
    instrument = recent_instrument(slug)
    poll = partial(Poll, slug=slug, provider=instrument.provider, expiry=expiry, slot=slot)
    try:
        chain = chain_provider(instrument.provider).fetch_chain(instrument.instrument_key, expiry)
        if len(chain) == 0:
            raise MalformedResponse("The chain is empty.", provider=instrument.provider)
    except ApplicationError as error:
        seconds = time.perf_counter() - started
        logger.warning("chain_poll_failed", slug=slug, expiry=str(expiry), code=error.code)
        _remember_failure(slug, expiry, slot, error, seconds)
        told = error.message[:_LONGEST_ERROR]
        return poll(outcome=Outcome.FAILED, seconds=seconds, code=error.code, error=told)
    chain = restore_gamma(chain)
    filled = fill_greeks(chain, _terms(instrument, chain, slot))
    summed = _Summed(instrument, chain, filled, sum_chain(chain, filled), started)
    every = every_seconds or poll_seconds(instrument, slot)
    outcome, sample = _keep(summed, slot=slot, every_seconds=every)
    if outcome is not Outcome.CLOSED:
        chain_polled.send_robust(sender=PolledInstrument, instrument=instrument, chain=chain)
    return poll(outcome=outcome, seconds=time.perf_counter() - started, sample=sample)


@dataclass(frozen=True, slots=True)
class _Summed:
    """A polled chain with its sums; ``started`` is the performance counter's value at the start."""

    instrument: PolledInstrument
    chain: OptionChain
    filled: FilledGreeks
    sums: ChainSums
    started: float

    def sample(self, slot: datetime, before: LastSlot | None, every_seconds: int) -> ChainSample:
        chain, seen = self.chain, 1
        if before is not None and before.slot >= slot.replace(second=0, microsecond=0):
            seen = before.seen + 1
        return ChainSample(
            slot=slot,
            as_of=chain.as_of,
            source=chain.source,
            simulated=self.instrument.simulated,
            spot=math.nan if chain.spot is None else chain.spot,
            sums=self.sums,
            seen=seen,
            expected=60 // every_seconds,
        )

    def record(self, slot: datetime) -> PollRecord:
        at = now()
        return PollRecord(
            polled_at=at,
            slot=slot,
            outcome=Outcome.SAMPLED.value,
            succeeded_at=at,
            seconds=round(time.perf_counter() - self.started, 4),
            contracts=self.sums.contracts,
            contracts_filled=self.sums.contracts_filled,
            rejected=len(self.chain.rejected),
        )


def _terms(instrument: PolledInstrument, chain: OptionChain, slot: datetime) -> ChainTerms:
    is_american = chain_is_american(instrument, chain.expiry)
    at = slot if market_clock_is_frozen() else chain.as_of
    expires_at = chain_expires_at(instrument, chain.expiry)
    paid = _dividends(instrument, chain.expiry) if is_american else ()
    return ChainTerms(
        at=at,
        expires_at=expires_at,
        rate=chain_rate(instrument),
        is_american=is_american,
        dividends=going_ex(paid, exchange_named(instrument.exchange), at=at, until=expires_at),
    )


def _dividends(instrument: PolledInstrument, expiry: date) -> tuple[tuple[date, float], ...]:
    known = known_dividends([(instrument.underlying, instrument.currency)], until=expiry)
    return known.get(share_key(instrument.underlying, instrument.currency), ())


def _keep(
    summed: _Summed, *, slot: datetime, every_seconds: int, again: bool = False
) -> tuple[Outcome, ChainSample | None]:
    """Store sample, body and state at once, then announce them: no frame precedes its data."""
    instrument, expiry = summed.instrument, summed.chain.expiry
    slug, session = instrument.slug, open_session(instrument, slot)
    in_session = session is not None
    body = chain_body(instrument, summed.chain, summed.filled, summed.sums)
    try:
        before = _newest_slot(slug, expiry, slot - timedelta(seconds=every_seconds))
        sample = summed.sample(slot, before, every_seconds)
        pipeline = redis_client().pipeline(transaction=False)
        if in_session:
            add_sample(pipeline, slug, expiry, sample)
            contracts = contract_greeks(summed.chain, summed.filled)
            queue_contracts(pipeline, slug, expiry, sample.minute, contracts)
        if session is not None and is_kept_minute(session, sample.minute):
            queue_closing_chain(pipeline, slug, expiry, sample.minute, body)
        record = msgspec.json.encode(summed.record(slot))
        pipeline.set(record_key(slug, expiry), record, ex=KEPT_SECONDS)
        # The large one last: the others leave in one packet before it.
        pipeline.set(latest_chain_key(slug, expiry), body, ex=KEPT_SECONDS)
        first, *others = pipeline.execute(raise_on_error=False)
        added = was_added(first)
        if refused := next((each for each in others if isinstance(each, RedisError)), None):
            raise refused
        unblocked = (
            in_session and not added and not again and forget_future_samples(slug, expiry, slot)
        )
    except RedisError as error:
        logger.warning("chain_sample_lost", slug=slug, slot=str(slot), reason=type(error).__name__)
        return Outcome.UNSTORED, None
    if not in_session:
        return Outcome.CLOSED, sample
    if unblocked:
        logger.warning("chain_samples_of_the_future", slug=slug, expiry=str(expiry))
        return _keep(summed, slot=slot, every_seconds=every_seconds, again=True)
    if not added:
        return Outcome.REPEATED, sample
    with _stored_here.lock:
        _stored_here.get("slots")[slug, expiry] = LastSlot(slot, sample.seen)
    _announce(instrument, expiry, sample, before.slot if before is not None else None)
    return Outcome.SAMPLED, sample


def _newest_slot(slug: str, expiry: date, preceding: datetime) -> LastSlot | None:
    """Return the newest sample's slot, from memory if this process stored the preceding slot."""
    with _stored_here.lock:
        known = _stored_here.get("slots").get((slug, expiry))
    return known if known is not None and known.slot == preceding else last_slot(slug, expiry)


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


def _remember_failure(
    slug: str, expiry: date, slot: datetime, error: ApplicationError, seconds: float
) -> None:
    try:
        before = read_record(redis_client().get(record_key(slug, expiry)))
    except RedisError:
        return
    record = PollRecord(
        polled_at=now(),
        slot=slot,
        outcome=error.code,
        error=error.message[:_LONGEST_ERROR],
        succeeded_at=before.succeeded_at if before else None,
        consecutive_failures=(before.consecutive_failures if before else 0) + 1,
        seconds=round(seconds, 4),
    )
    try:
        redis_client().set(record_key(slug, expiry), msgspec.json.encode(record), ex=KEPT_SECONDS)
    except RedisError as failure:
        logger.info("chain_state_lost", slug=slug, reason=type(failure).__name__)
