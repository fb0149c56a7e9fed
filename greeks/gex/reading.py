"""Gamma exposure of a symbol: from the cache, computed once for all who ask, or the last good one.

One caller computes; the others in its process share the result, those in other processes wait a
moment for it. If the chain cannot be fetched, the last good answer is given, marked stale.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from datetime import date

import structlog
from django.conf import settings
from msgspec.structs import replace

from config.core.clock import market_now
from config.core.errors import ApplicationError, InvalidInput, LockHeld, NotFound
from config.core.redis.locks import subject_lock
from config.core.single_flight import SingleFlight
from greeks.gex.body import exposure_body
from greeks.gex.chains.fetching import fetch_exposure
from greeks.gex.chains.subjects import Subject, subject_named
from greeks.gex.engine.definition import Dealers, Definition
from greeks.gex.history import newest_snapshot
from greeks.gex.keeping import Place, keep, read_kept, read_last_good
from greeks.gex.questions import GexQuestion
from greeks.gex.service_body import service_body
from greeks.gex.shapes import GexData
from greeks.providers.exposure_service import SOURCE

logger = structlog.get_logger(__name__)

# Longer than a fetch of a large chain takes.
_COMPUTING_SECONDS = 20.0
# How long to wait for another process's answer before computing one's own.
_WAIT_SECONDS, _LOOK_SECONDS = 3.0, 0.05
_flights: SingleFlight[GexData] = SingleFlight()


def get_gex(symbol: str | None = None, *, question: GexQuestion | None = None) -> GexData:
    """Return a symbol's gamma exposure, at most five minutes old, else the last good one.

    Raises ``NotFound`` for a symbol that nobody follows, ``InvalidInput`` for an unknown definition
    or expiry, and, if nothing good is known, what the fetch raised.
    """
    return _answer(question or GexQuestion(symbol=symbol), is_forced=False)


def refresh_gex(symbol: str | None = None, *, question: GexQuestion | None = None) -> GexData:
    """Compute it anew, whatever the cache holds. Falls back and raises like ``get_gex``."""
    return _answer(question or GexQuestion(symbol=symbol), is_forced=True)


def known_gex(subject: Subject, question: GexQuestion) -> GexData | None:
    """Return the newest known answer, however old, without computing one."""
    place = place_of(subject, question.chosen_definition, question.chosen_dealers)
    kept = read_kept(place) or read_last_good(place) or newest_snapshot(subject, question)
    return None if kept is None else replace(kept.body, cached=True, cache_age_seconds=kept.age)


def place_of(subject: Subject, definition: Definition, dealers: Dealers) -> Place:
    """Return where the answer over all expiries is kept."""
    own = (settings.GEX_DEFINITION, settings.GEX_DEALERS)
    variant = "" if (definition.name, dealers.name) == own else f"{definition.key}:{dealers.name}"
    day = market_now().astimezone(subject.terms.exchange.zone).date()
    return Place(subject.symbol, day, variant)


def _answer(question: GexQuestion, *, is_forced: bool) -> GexData:
    definition, dealers = question.chosen_definition, question.chosen_dealers
    subject = subject_named(question.symbol)
    place = place_of(subject, definition, dealers)
    if not is_forced and (kept := _kept(place, question)) is not None:
        return kept
    flight: Hashable = (place, question.expiries, is_forced)
    try:
        return _flights(
            flight,
            lambda: (
                _computed(subject, question, place)
                if is_forced or question.expiries
                else _computed_once(subject, question, place)
            ),
        )
    except (InvalidInput, NotFound):
        raise
    except ApplicationError as error:
        return _last_good(subject, place, question, error)


def _kept(place: Place, question: GexQuestion) -> GexData | None:
    kept = None if question.expiries else read_kept(place)
    return None if kept is None else replace(kept.body, cached=True, cache_age_seconds=kept.age)


def _computed_once(subject: Subject, question: GexQuestion, place: Place) -> GexData:
    """Compute, or wait a little for the process that is computing already."""
    try:
        with subject_lock(f"gex.{place.key()}", seconds=_COMPUTING_SECONDS):
            return _kept(place, question) or _computed(subject, question, place)
    except LockHeld:
        pass
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        if (kept := _kept(place, question)) is not None:
            return kept
    return _computed(subject, question, place)


def _computed(subject: Subject, question: GexQuestion, place: Place) -> GexData:
    body = service_body(subject) if subject.source == SOURCE else _body(subject, question)
    if not question.expiries:
        keep(place, body)
    return body


def _body(subject: Subject, question: GexQuestion) -> GexData:
    assembled = fetch_exposure(subject)
    listed = {date.fromordinal(day) for day in assembled.columns.expiry.tolist()}
    if unknown := set(question.expiries) - listed:
        problem = f"{min(unknown).isoformat()} is not among this chain's expiries."
        raise InvalidInput(f"expiries: {problem}", fields={"expiries": problem})
    return exposure_body(
        subject,
        assembled,
        question.chosen_definition,
        question.chosen_dealers,
        question.expiries,
    )


def _last_good(
    subject: Subject, place: Place, question: GexQuestion, error: ApplicationError
) -> GexData:
    """Return the cache's last good answer, else the newest snapshot, marked stale."""
    last = None
    if not question.expiries:
        last = read_last_good(place) or newest_snapshot(subject, question)
    logger.warning("gex.failed", symbol=place.symbol, code=error.code, has_last=last is not None)
    if last is None:
        raise error
    return replace(
        last.body, cached=True, cache_age_seconds=last.age, stale=True, problem=error.message
    )
