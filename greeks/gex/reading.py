"""Gamma exposure of a symbol: from the cache, computed once for all who ask, or the last good one.

The cache and its rules are those of every declared resource (``docs/caching.md``). If the chain
cannot be fetched, the last good answer is given, marked stale: of today, of the days before, or the
newest snapshot.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django.conf import settings

from config.core.api.shapes import Day
from config.core.caching.entry import CachedResult
from config.core.caching.reading import kept_answer, known_answer, read_resource
from config.core.caching.resources import Question
from config.core.clock import market_now, now
from config.core.errors import invalid
from config.core.single_flight import SingleFlight
from greeks.gex.body import exposure_body
from greeks.gex.chains.fetching import fetch_exposure
from greeks.gex.chains.subjects import Subject, subject_named
from greeks.gex.history import newest_snapshot
from greeks.gex.questions import GexQuestion
from greeks.gex.resource import GEX, KEPT_DAYS
from greeks.gex.service_body import service_body
from greeks.gex.shapes import GexData
from greeks.providers.exposure_service import SOURCE

_flights: SingleFlight[GexData] = SingleFlight()


def get_gex(symbol: str | None = None, *, question: GexQuestion | None = None) -> GexData:
    """Return a symbol's gamma exposure, at most five minutes old, else the last good one.

    Raises ``NotFound`` for a symbol that nobody follows, ``InvalidInput`` for an unknown definition
    or expiry, and, if nothing good is known, what the fetch raised.
    """
    body, _ = answer_gex(question or GexQuestion(symbol=symbol))
    return body


def refresh_gex(symbol: str | None = None, *, question: GexQuestion | None = None) -> GexData:
    """Recompute it even if it is cached. Falls back and raises like ``get_gex``."""
    body, _ = answer_gex(question or GexQuestion(symbol=symbol), refresh=True)
    return body


def answer_gex(
    question: GexQuestion, *, refresh: bool = False
) -> tuple[GexData, CachedResult[Any]]:
    """Like ``get_gex``, with the cache's facts. Chosen expiries are never cached."""
    subject = subject_named(question.symbol)
    if question.expiries:
        body = _flights(question, lambda: _computed(subject, question))
        return body, CachedResult(body, hit=False, timestamp=now())
    found = read_resource(GEX, _asked(subject, question), refresh=refresh)
    return cast("GexData", found.data), found


def known_gex(subject: Subject, question: GexQuestion) -> GexData | None:
    """Return the newest known answer, however old, without computing one."""
    known = known_answer(GEX, _asked(subject, question))
    return None if known is None else known.data


def complete_question(symbol: str | None = None) -> dict[str, Any]:
    """Return the resource's parameters: the first symbol by default, and its exchange's day."""
    return dict(_asked(subject_named(symbol), GexQuestion(symbol=symbol)).parameters)


def compute_gex(
    symbol: str, date: Day, definition: str | None = None, dealers: str | None = None
) -> GexData:
    """Return the exposure over all expiries, from the chain as it is now, whatever the ``date``."""
    question = GexQuestion(symbol=symbol, definition=definition, dealers=dealers)
    return _flights(question, lambda: _computed(subject_named(symbol), question))


def last_good(
    symbol: str, date: Day, definition: str | None = None, dealers: str | None = None
) -> CachedResult[GexData] | None:
    """Return the last good answer of the days before, else the newest snapshot."""
    chosen = {"symbol": symbol, "definition": definition, "dealers": dealers}
    for days in range(1, KEPT_DAYS + 1):
        earlier = Question(None, chosen | {"date": date - timedelta(days=days)})
        if (kept := kept_answer(GEX, earlier)) is not None:
            return kept
    question = GexQuestion(symbol=symbol, definition=definition, dealers=dealers)
    return newest_snapshot(subject_named(symbol), question)


def _asked(subject: Subject, question: GexQuestion) -> Question:
    """Return the question to the resource; the desk's own definition is not named in the key."""
    definition, dealers = question.chosen_definition.name, question.chosen_dealers.name
    is_own = (definition, dealers) == (settings.GEX_DEFINITION, settings.GEX_DEALERS)
    variant = {} if is_own else {"definition": definition, "dealers": dealers}
    day = market_now().astimezone(subject.terms.exchange.zone).date()
    return Question(None, {"symbol": subject.symbol, "date": day} | variant)


def _computed(subject: Subject, question: GexQuestion) -> GexData:
    if subject.source == SOURCE:
        return service_body(subject)
    assembled = fetch_exposure(subject)
    listed = {Day.fromordinal(day) for day in assembled.columns.expiry.tolist()}
    if unknown := set(question.expiries) - listed:
        problem = f"{min(unknown).isoformat()} is not among this chain's expiries."
        raise invalid("expiries", problem)
    return exposure_body(
        subject,
        assembled,
        question.chosen_definition,
        question.chosen_dealers,
        question.expiries,
    )
