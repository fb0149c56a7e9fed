"""The bodies of ``/market/data``, cached in this process and in Redis.

A small query reads the committed state, and only a body made from that state is served. No copy is
served for longer than two minutes without being rebuilt from the database.

- ``market_bodies`` serves the same bytes to everyone. The front door points to its bodies.
- ``_flights`` lets the threads that ask for a new body at once build it once.
- Redis saves other processes the work of whoever stored the minute.
- ``rows_of`` lets the many variants of a chain (ranges, resolutions) share one reading.
- ``_last_variants`` knows the last good body of a question while the database is away, and
  ``_stale_body`` keeps its relabelled copy, compressed.
- Browsers and shared caches answer a reload within five seconds (``RUNNING``).
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import lru_cache

import msgspec
import structlog
from cachetools import LRUCache
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from config.core.clock import market_clock_is_frozen, market_now
from config.core.database import database_guard
from config.core.errors import DatabaseUnavailable
from config.core.front_door.bodies import Body, Prepared, PreparedBodies
from config.core.front_door.encodings import BROTLI, IDENTITY
from config.core.redis.client import key
from config.core.single_flight import SingleFlight
from greeks.market.bodies.body import encode
from greeks.market.bodies.closes import encode_closes
from greeks.market.bodies.questions import CLOSES, MarketChoice, MarketQuestion, choice_for
from greeks.market.bodies.readers import note_reader
from greeks.market.bodies.series import series_of
from greeks.minutes.clock import seconds_to_next_due
from greeks.minutes.stored import KEPT_SECONDS, ChainRows, read_rows, rows_of

logger = structlog.get_logger(__name__)

NAME = "market_data"
#: How long shared caches may answer; on an error of ours, for as long as a copy is good.
RUNNING = f"public, max-age=5, stale-if-error={KEPT_SECONDS:.0f}"
SETTLED = "public, max-age=3600, immutable"
STALE = "public, max-age=1"
_FRESH_MARK, _STALE_MARK = b'"stale":false', b'"stale":true'
# A database that fails slowly (a lock, a hanging disk) would keep every web thread waiting: then
# one caller asks, a pause after the last, and the others get the last good body.
_SLOW_SECONDS = 0.5
_PAUSE_SECONDS = 1.0
_LONGEST_QUESTION_SECONDS = 10.0

#: All variants this process holds, bounded in bytes.
market_bodies = PreparedBodies("MARKET_CACHE_MEGABYTES")
_flights: SingleFlight[Prepared] = SingleFlight()
_last_variants: LRUCache[MarketQuestion, Hashable] = LRUCache(1_000)
_last_lock = threading.Lock()


class _Patience:
    """Whether to ask the database now, after it failed slowly."""

    def __init__(self) -> None:
        self._ask_at = 0.0
        self._lock = threading.Lock()

    def is_our_turn(self) -> bool:
        if not self._ask_at:
            return True
        with self._lock:
            moment = time.monotonic()
            if moment < self._ask_at:
                return False
            self._ask_at = moment + _LONGEST_QUESTION_SECONDS
            return True

    def answered(self) -> None:
        self._ask_at = 0.0

    def failed(self, *, seconds: float) -> None:
        self._ask_at = time.monotonic() + _PAUSE_SECONDS if seconds >= _SLOW_SECONDS else 0.0


_patience = _Patience()


class _Envelope(msgspec.Struct, array_like=True, frozen=True):
    """A body as stored in Redis. ``valid_until``: seconds since the epoch."""

    state: str
    valid_until: float
    tag: str
    brotli: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Envelope)


@dataclass(frozen=True, slots=True)
class Served:
    """A body and how long shared caches may keep it; ``is_stale``: the last good one."""

    body: Body
    cache_control: str
    is_stale: bool = False


def serve_market_data(*, question: MarketQuestion) -> Served:
    """Return the body that answers a question now.

    If the database does not answer, returns this process's last good one, labelled stale, or raises
    ``DatabaseUnavailable`` if there is none. Raises ``NotFound`` and ``InvalidInput`` as well.
    """
    if not _patience.is_our_turn() and (last := _last_good(question)) is not None:
        return last
    asked_at = time.monotonic()
    try:
        with database_guard():
            choice = choice_for(question, market_now())
            prepared = prepared_market_body(choice=choice)
        _patience.answered()
    except DatabaseUnavailable:
        _patience.failed(seconds=time.monotonic() - asked_at)
        last = _last_good(question)
        if last is None:
            raise
        return last
    except Exception:
        # The database answered: what was asked for does not exist.
        _patience.answered()
        raise
    is_settled = choice.is_settled and question.session_date is not None
    with _last_lock:
        _last_variants[question] = choice.variant
    return Served(prepared.body, SETTLED if is_settled else RUNNING)


def prepared_market_body(*, choice: MarketChoice) -> Prepared:
    """Return a choice's body, built at most once for all concurrent callers."""
    known = kept_market_body(choice=choice)
    if known is not None:
        return known
    return _flights((choice.variant, choice.state), lambda: _read_through(choice))


def kept_market_body(*, choice: MarketChoice) -> Prepared | None:
    """Return a choice's body if this process holds a fresh enough one."""
    known = market_bodies.get(NAME, choice.variant, choice.state)
    return known if known is not None and time.time() < known.valid_until else None


def _read_through(choice: MarketChoice) -> Prepared:
    known = kept_market_body(choice=choice)
    if known is not None:
        return known
    # Once a minute for each question that is being read.
    note_reader(choice.instrument.slug)
    prepared = _fetch(choice) or _make(choice)
    return market_bodies.put(NAME, choice.variant, prepared)


def _make(choice: MarketChoice) -> Prepared:
    """Build the body and store shared ones in Redis, compressed, for other processes."""
    prepared = _built(choice, rows_of(choice.chain, choice.version))
    _store(choice, prepared)
    return prepared


def warm_market_body(*, choice: MarketChoice) -> None:
    """Build the body in the process that wrote the rows, so that others find it in Redis."""
    _store(choice, _built(choice, read_rows(choice.chain)))


def _built(choice: MarketChoice, rows: ChainRows) -> Prepared:
    series = series_of(choice, rows)
    body = Body(encode_closes(series) if choice.columns == CLOSES else encode(series))
    if _is_shared(choice):
        body.form(BROTLI)
    # More may have been committed since the choice: the body is right, and of that version.
    state = replace(choice, version=rows.version).state
    return Prepared(body, state, _valid_until(choice))


def _valid_until(choice: MarketChoice) -> float:
    """Return when time alone changes the body, or when it must be rebuilt anyway."""
    seconds = KEPT_SECONDS
    due = None
    if not market_clock_is_frozen():
        due = seconds_to_next_due(choice.session, market_now())
    if due is not None and due > 0:
        seconds = min(seconds, due)
    return time.time() + seconds


# --- Redis ------------------------------------------------------------------------------------
def _is_shared(choice: MarketChoice) -> bool:
    """Whether the body goes to Redis: the current session as everybody reads it.

    Ranges and days that strangers choose stay in the process's bounded memory.
    """
    return not (choice.is_filtered or choice.is_settled)


def _place(choice: MarketChoice) -> str:
    return hashlib.blake2b(repr(choice.variant).encode(), digest_size=12).hexdigest()


def _fetch(choice: MarketChoice) -> Prepared | None:
    """Return another process's body if it was built from the same state."""
    if not _is_shared(choice):
        return None
    try:
        stored = get_redis_connection("default").get(key("market_body", _place(choice)))
        envelope = None if stored is None else _decoder.decode(stored)
    except (RedisError, msgspec.DecodeError, TypeError) as error:
        logger.warning("market_body.not_fetched", reason=type(error).__name__)
        return None
    if envelope is None or envelope.state != choice.state or time.time() >= envelope.valid_until:
        return None
    return Prepared(
        Body.of_brotli(envelope.tag, envelope.brotli), envelope.state, envelope.valid_until
    )


def _store(choice: MarketChoice, prepared: Prepared) -> None:
    if not _is_shared(choice):
        return
    envelope = _Envelope(
        str(prepared.state),
        prepared.valid_until,
        prepared.body.tag,
        prepared.body.form(BROTLI),
    )
    seconds = max(1, math.ceil(prepared.valid_until - time.time()))
    try:
        get_redis_connection("default").set(
            key("market_body", _place(choice)), _encoder.encode(envelope), ex=seconds
        )
    except RedisError as error:
        logger.warning("market_body.not_stored", reason=type(error).__name__)


# --- The last good one --------------------------------------------------------------------------
def _last_good(question: MarketQuestion) -> Served | None:
    with _last_lock:
        variant = _last_variants.get(question)
    prepared = None if variant is None else market_bodies.last(NAME, variant)
    if prepared is None:
        return None
    return Served(_stale_body(prepared), STALE, is_stale=True)


@lru_cache(maxsize=4)
def _stale_body(prepared: Prepared) -> Body:
    """Return the same body, marked stale."""
    return Body(prepared.body.form(IDENTITY).replace(_FRESH_MARK, _STALE_MARK, 1))
