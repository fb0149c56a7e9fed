"""The chain of a subject: what was polled last, or a provider's whole chain."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import structlog
from redis.exceptions import RedisError

from config.core.clock import market_now, now
from config.core.errors import PermanentError, Unavailable
from config.core.redis.client import redis_client
from greeks.gex.chains.assembling import Assembled, assemble
from greeks.gex.chains.parts import ExpiryPart, part_of_body, part_of_chain
from greeks.gex.chains.subjects import POLLED, Subject
from greeks.models import PolledInstrument
from greeks.polling.instruments import polled_expiries
from greeks.polling.latest_chain import latest_chain_key
from greeks.polling.providers import chain_provider
from greeks.polling.sessions import open_session
from greeks.polling.shapes import MarketChain
from greeks.polling.states import chain_states

logger = structlog.get_logger(__name__)

# Each expiry is a call or more: a free plan of Polygon.io has five a minute, IBKR quotes slowly.
_NEAREST = {"polygon": 6, "ibkr": 4}
# Polls are at most a minute apart.
_LATE = timedelta(seconds=90)
_decoder = msgspec.json.Decoder(MarketChain)


def fetch_exposure(subject: Subject) -> Assembled:
    """Return a subject's chain, assembled.

    Raises ``Unavailable`` if nothing was polled, polls fail or Redis is down, and the provider's
    errors.
    """
    if subject.source == POLLED and subject.instrument is not None:
        parts = _polled_parts(subject.instrument)
    else:
        parts = _provider_parts(subject.source, subject.symbol)
    if not parts:
        raise Unavailable(f"No chain of {subject.name} was polled of late.")
    return assemble(parts, subject.terms)


def _polled_parts(instrument: PolledInstrument) -> list[ExpiryPart]:
    at = market_now()
    expiries = polled_expiries(instrument, at)
    if not expiries:
        return []
    try:
        _check_polls(instrument, at)
        stored = redis_client().mget(
            [latest_chain_key(instrument.slug, expiry) for expiry in expiries]
        )
    except RedisError as error:
        raise Unavailable("The polled chains cannot be read now.") from error
    parts = []
    for text in stored:
        if text is None:
            continue
        try:
            parts.append(part_of_body(_decoder.decode(text)))
        except msgspec.DecodeError as error:
            logger.warning("gex_chain_unreadable", slug=instrument.slug, reason=str(error)[:200])
    return parts


def _check_polls(instrument: PolledInstrument, at: datetime) -> None:
    """Raise ``Unavailable`` if no chain has come for a while in session: what is kept is old."""
    session = open_session(instrument, at)
    if session is None or at - session.opens_at < _LATE:
        return
    records = [each.record for each in chain_states([instrument]) if each.record is not None]
    if not records:
        return
    last = max((each.succeeded_at for each in records if each.succeeded_at), default=None)
    if last is None or now() - last > _LATE:
        since = "of late" if last is None else f"since {last:%H:%M} UTC"
        raise Unavailable(f"{instrument.provider} has sent no chain of {instrument.name} {since}.")


def _provider_parts(provider: str, symbol: str) -> list[ExpiryPart]:
    """Return every expiry; one that is gone or has no usable contract is left out, unless all
    are."""
    chains = chain_provider(provider)
    expiries = [each.expiry for each in chains.fetch_listing(symbol).expiries]
    parts: list[ExpiryPart] = []
    last: PermanentError | None = None
    for expiry in expiries[: _NEAREST.get(provider)]:
        try:
            parts.append(part_of_chain(chains.fetch_chain(symbol, expiry)))
        except PermanentError as error:
            last = error
    if last is not None and not parts:
        raise last
    return parts
