"""Read the dashboard: all sections in parallel, each within its time limit.

A section that fails leaves the others. Whoever asks for one section gets the same body.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import Any

import structlog

from config.core.caching.entry import CachedResult
from config.core.caching.reading import fresh_answers, known_answer, read_resource
from config.core.caching.resources import Question, Resource
from config.core.clock import now
from config.core.database import database_guard
from config.core.errors import ApplicationError, InvalidInput
from config.core.limited_calls import LimitedCalls, TimeLimitReached, Work
from config.core.monitoring.recording import record_section
from config.core.one_reading import one_reading
from portfolio.accounts.scopes import account_in_view
from portfolio.amounts import ENCODER
from portfolio.dashboard.sections import dashboard_resources
from portfolio.dashboard.shapes import SectionCache

logger = structlog.get_logger(__name__)

# Of each section: as many as a web process has threads that could ask for it, but no more
# connections than the pool can spare.
_limited = LimitedCalls("dashboard", most=2)
# For the last good answer of what is late, while its own threads are busy.
_limited_looks = LimitedCalls("dashboard-known", most=2)
_KNOWN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for the dashboard. ``None``: all accounts, each section's own days."""

    user: Any
    account_id: str | None = None
    start: date | None = None
    end: date | None = None

    def parameters_of(self, resource: Resource) -> dict[str, Any]:
        given = {"account_id": self.account_id, "start": self.start, "end": self.end}
        return {name: value for name, value in given.items() if name in resource.parameters}


@dataclass(frozen=True, slots=True)
class Answer:
    """A section's body and its source."""

    body: Any
    cache: SectionCache
    is_cached: bool


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One reading: answers and failures by section, in the body's order."""

    sections: Mapping[str, Answer]
    errors: Mapping[str, str]
    #: What may answer, or answer anew, if asked again with more time.
    late: frozenset[str]
    timestamp: datetime
    response_time_ms: float

    def to_json(self) -> bytes:
        answers, errors = self.sections, self.errors
        cached = {name: each for name, each in answers.items() if each.is_cached}
        body: dict[str, Any] = {
            str(each.section): answers[str(each.section)].body if each.section in answers else None
            for each in dashboard_resources()
        }
        body["metadata"] = {
            "response_time_ms": self.response_time_ms,
            "cache_hits": [name for name, each in cached.items() if each.cache.hit],
            "cache_misses": [name for name, each in cached.items() if not each.cache.hit],
            "timestamp": self.timestamp,
            "cache": {name: each.cache for name, each in answers.items()},
        }
        if errors:
            body["errors"] = errors
        return ENCODER.encode(body)


def read_dashboard(
    asked: Asked, *, sections: Collection[str] | None = None, seconds: float | None = None
) -> Dashboard:
    """Read all sections, or those named. ``seconds``: none may take longer than that.

    Raises:
        NotFound: the account does not exist or is not the user's.
        InvalidInput: a section refuses the days asked for.
    """
    began_at = time.perf_counter()
    wanted = [
        each for each in dashboard_resources() if sections is None or each.section in sections
    ]
    with one_reading():
        if asked.account_id is not None:
            account_in_view(asked.user, asked.account_id)
        given = {each: asked.parameters_of(each) for each in wanted}
        outcomes, late = _outcomes(given, asked.user, seconds)
    answers: dict[str, Answer] = {}
    errors: dict[str, str] = {}
    for name, outcome in outcomes.items():
        if isinstance(outcome, InvalidInput):
            raise outcome
        if isinstance(outcome, Answer):
            answers[name] = outcome
        else:
            errors[name] = words_of(name, outcome)
    return Dashboard(
        answers,
        errors,
        late,
        timestamp=now(),
        response_time_ms=round(1000 * (time.perf_counter() - began_at), 1),
    )


def answer_alone(resource: Resource, user: Any, given: Mapping[str, Any]) -> Answer:
    """Read one resource within its time limit. Raises what reading it raises.

    ``NotFound`` also for an account that does not exist or is not the user's.
    """
    with one_reading():
        if not resource.is_public and given.get("account_id") is not None:
            account_in_view(user, given["account_id"])
        outcomes, _ = _outcomes({resource: given}, user, None)
    (outcome,) = outcomes.values()
    if isinstance(outcome, BaseException):
        raise outcome
    answer: Answer = outcome
    return answer


def _outcomes(
    given: Mapping[Resource, Mapping[str, Any]], user: Any, seconds: float | None
) -> tuple[dict[str, Any], frozenset[str]]:
    """Return each resource's answer or error by name, and which of them were late.

    What the cache has fresh is read at once, the others side by side.
    """
    wanted = {each.section or each.name: each for each in given}
    questions: dict[str, Question] = {}
    outcomes: dict[str, Any] = {}
    began_at = time.perf_counter()
    for name, each in wanted.items():
        try:
            with database_guard():
                questions[name] = each.ask(user, **given[each])
        except ApplicationError as error:
            outcomes[name] = error
    asked = {name: (wanted[name], question) for name, question in questions.items()}
    fresh = {name: _told(wanted[name], each) for name, each in fresh_answers(asked).items()}
    for name, outcome in (outcomes | fresh).items():
        _record(name, outcome, time.perf_counter() - began_at)
    rest = {name: each for name, each in asked.items() if name not in fresh}
    outcomes |= fresh | _measured(
        {
            name: Work(
                partial(_answer, each, question),
                each.time_limit if seconds is None else min(seconds, each.time_limit),
            )
            for name, (each, question) in rest.items()
        },
        limits={name: each.time_limit for name, (each, _) in rest.items()},
    )
    late = [name for name, each in outcomes.items() if isinstance(each, TimeLimitReached)]
    outcomes |= _known({name: asked[name] for name in late})
    return {name: outcomes[name] for name in wanted}, frozenset(late)


def _measured(works: Mapping[str, Work], *, limits: Mapping[str, float]) -> dict[str, Any]:
    """Run the works, and tell the response monitor how each ended and how long it took.

    What the caller got wrong is no failure, nor is being late for one who waits less than the
    section may take (``limits``).
    """
    spent: dict[str, float] = {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        began_at = time.perf_counter()
        try:
            return call()
        finally:
            spent[name] = time.perf_counter() - began_at

    outcomes = _limited(
        {name: replace(work, call=partial(timed, name, work.call)) for name, work in works.items()}
    )
    for name, outcome in outcomes.items():
        is_late = isinstance(outcome, TimeLimitReached)
        if is_late and works[name].seconds < limits[name]:
            continue
        _record(name, outcome, works[name].seconds if is_late else spent.get(name, 0.0))
    return outcomes


def _record(name: str, outcome: Any, seconds: float) -> None:
    if isinstance(outcome, InvalidInput):
        return
    ended = "error" if isinstance(outcome, BaseException) else "ok"
    record_section(name, outcome.code if isinstance(outcome, ApplicationError) else ended, seconds)


def _answer(resource: Resource, question: Question) -> Answer:
    return _told(resource, read_resource(resource, question))


def _known(late: Mapping[str, tuple[Resource, Question]]) -> dict[str, Answer]:
    """Return the last good answers of late resources, marked stale, where the cache has one."""

    def look(resource: Resource, question: Question) -> Answer | None:
        known = known_answer(resource, question)
        if known is None:
            return None
        return _told(resource, replace(known, hit=False, stale=True))

    works = {
        name: Work(partial(look, *each), _KNOWN_SECONDS)
        for name, each in late.items()
        if each[0].is_cached
    }
    outcomes = _limited_looks(works)
    return {name: each for name, each in outcomes.items() if isinstance(each, Answer)}


def _told(resource: Resource, result: CachedResult[Any]) -> Answer:
    cache = SectionCache(
        hit=result.hit,
        stale=result.stale,
        timestamp=result.timestamp or now(),
        ttl_remaining=result.ttl_remaining,
        age_seconds=result.age_seconds or 0.0,
    )
    return Answer(result.data, cache, resource.is_cached)


def words_of(name: str, error: BaseException) -> str:
    """Return the part of a failure the reader may see; the rest is logged."""
    if isinstance(error, ApplicationError):
        logger.warning("dashboard.section_failed", section=name, code=error.code)
        return error.message
    logger.error("dashboard.section_failed", section=name, exc_info=error)
    return "This section failed; the reason is in the log."
