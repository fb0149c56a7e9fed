"""The data of ``/system``. Each part is read only when used; none holds a secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from redis.exceptions import RedisError

from auth_tokens.broker_tokens.states import TokenState, token_states
from auth_tokens.broker_tokens.tries import TriesLeft, tries_left
from config.core.caching.invalidation import CacheInvalidationEvent, recent_invalidations
from config.core.caching.warming import warming_counts
from config.core.caching.watching import CacheState, cache_state
from config.core.clock import market_clock_is_frozen, market_now, now
from config.core.errors import Unavailable
from config.core.health import CheckResult, run_checks
from config.core.http.servers import ServerState, server_states
from config.core.monitoring.reading import get_metrics
from config.core.web.formatting import number, percent
from config.system.outcomes import failure_words
from greeks.calendar.coverage import CalendarState, calendar_states
from greeks.models import PolledInstrument
from greeks.polling.instruments import enabled_instruments, poll_seconds_by_slug
from greeks.polling.samples import last_slot
from greeks.polling.sessions import open_session
from greeks.polling.states import ChainState, PollRecord, chain_states
from portfolio.dashboard.page import TITLES as SECTION_TITLES
from portfolio.updates.statistics import get_queue_stats

#: How a token's state is shown: kind of badge, word.
TOKEN_BADGES = {
    "valid": ("ok", "Valid"),
    "renewing": ("busy", "Renewing"),
    "missing": ("warn", "None yet"),
    "expired": ("warn", "Expired"),
    "failing": ("error", "Failing"),
    "stopped": ("error", "Stopped"),
    "not_configured": ("", "Not set up"),
}
CHECK_BADGES = {"ok": "ok", "degraded": "warn", "down": "error"}
_QUEUE_WORDS = {
    "pending_updates": "Portfolios waiting",
    "in_progress": "Being calculated",
    "rate_limit_windows": "Calculated in the last minute",
    "finished": "Calculations",
    "deferred": "Put off by the limit",
    "reclaimed": "Taken over",
}
#: Endpoints the page lists, those that took most time first.
_MOST_ENDPOINTS = 15
_MOST_INVALIDATIONS = 10
#: Checks of the processes and of the services they need; the others are listed below them.
_PROCESSES = ("database", "redis", "web", "worker", "beat", "streams")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A token's state. ``can_reset``: an operator may clear its failures."""

    state: TokenState
    kind: str
    word: str
    tries: tuple[TriesLeft, ...]

    @property
    def can_reset(self) -> bool:
        used = any(each.left < each.tries for each in self.tries)
        return self.state.status in ("failing", "stopped") or used


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRow:
    """A chain's polls. ``samples_seen``: in the forming minute; ``None`` out of session."""

    state: ChainState
    is_open: bool
    seconds: int
    is_stretched: bool
    samples_seen: int | None
    samples_expected: int

    @property
    def recorded(self) -> dict[str, Any]:
        """Facts of the last polls; ``None`` for each if there were none."""
        record = self.state.record
        return {
            name: None if record is None else getattr(record, name)
            for name in PollRecord.__struct_fields__
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """A health check and the badge it gets."""

    name: str
    result: CheckResult
    kind: str


class SystemPage:
    """The state of the desk at one instant."""

    def __init__(self) -> None:
        self.at = market_now()
        self.wall = now()
        self.clock_is_frozen = market_clock_is_frozen()
        self.chains_problem = ""

    @cached_property
    def tokens(self) -> list[TokenRow]:
        return [
            TokenRow(
                state=state,
                kind=TOKEN_BADGES[state.status][0],
                word=TOKEN_BADGES[state.status][1],
                tries=tries_left(state.provider),
            )
            for state in token_states()
        ]

    @cached_property
    def chains(self) -> list[ChainRow]:
        instruments = enabled_instruments()
        try:
            states = chain_states(instruments)
            seen = {(each.slug, each.expiry): self._seen(each) for each in states}
        except RedisError:
            self.chains_problem = "Redis does not answer, so the state of the polls is unknown."
            return []
        by_slug = {each.slug: each for each in instruments}
        seconds = poll_seconds_by_slug(instruments, self.at)
        return [
            self._chain(state, by_slug[state.slug], seconds[state.slug], seen) for state in states
        ]

    def _chain(
        self,
        state: ChainState,
        instrument: PolledInstrument,
        seconds: int,
        seen: dict[tuple[str, date], int | None],
    ) -> ChainRow:
        is_open = open_session(instrument, self.at) is not None
        return ChainRow(
            state=state,
            is_open=is_open,
            seconds=seconds,
            is_stretched=seconds > instrument.poll_seconds,
            samples_seen=(seen[state.slug, state.expiry] or 0) if is_open else None,
            samples_expected=60 // seconds,
        )

    def _seen(self, state: ChainState) -> int | None:
        """Return the forming minute's samples. Raises ``RedisError``."""
        last = last_slot(state.slug, state.expiry)
        minute = self.at.replace(second=0, microsecond=0)
        return last.seen if last is not None and last.slot >= minute else None

    #: The chart's series and what they are called.
    response_choices = (
        ("p95_response_time", "95th percentile, ms"),
        ("avg_response_time", "Mean, ms"),
        ("requests", "Requests"),
        ("cache_hit_rate", "Cache hits, %"),
    )

    @cached_property
    def responses(self) -> dict[str, Any] | None:
        """The last hour's response times; ``None`` while Redis is down."""
        try:
            return get_metrics()
        except Unavailable:
            return None

    @property
    def response_figures(self) -> list[tuple[str, str]]:
        """All requests' figures with the words the page uses."""
        found = self.responses or {}
        return [
            (label, render(found.get(name), digits) or "–")
            for name, label, render, digits in (
                ("requests", "Requests", number, 0),
                ("avg_response_time", "Mean", number, 1),
                ("p95_response_time", "95th percentile", number, 1),
                ("p99_response_time", "99th percentile", number, 1),
                ("cache_hit_rate", "Cache hits", percent, 0),
                ("slow_requests", "Slow, over a second", number, 0),
                ("failed_requests", "Failed", number, 0),
                ("slow_queries", "Slow queries", number, 0),
                ("query_timeouts", "Queries timed out", number, 0),
            )
        ]

    @property
    def costly_endpoints(self) -> list[dict[str, Any]]:
        """The endpoints that took most time, the costliest first."""
        rows = self.responses["endpoints"] if self.responses else []
        spent = sorted(rows, key=lambda row: -row["requests"] * (row["avg_response_time"] or 0))
        return spent[:_MOST_ENDPOINTS]

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Calls to providers, then fetches of the dashboard's sections, and why they failed."""
        found = self.responses or {"providers": [], "sections": []}
        named = [(row["provider"], row) for row in found["providers"]]
        named += [(_section_title(row["section"]), row) for row in found["sections"]]
        return [
            row | {"name": name, "reasons": failure_words(row["outcomes"])} for name, row in named
        ]

    @cached_property
    def cache(self) -> CacheState:
        return cache_state()

    @property
    def cache_figures(self) -> list[tuple[str, str]]:
        """The cache: hits of the last hour, memory now, answers warmed today."""
        try:
            counts = warming_counts()
        except RedisError:
            counts = {}
        made = counts.get("succeeded", 0)
        tried = sum(counts.values())
        hit_rate = self.responses["cache_hit_rate"] if self.responses else None
        return [
            ("Hits, last hour", percent(hit_rate, 0) or "–"),
            ("Memory in use", self._memory),
            ("Made ready today", percent(made / tried if tried else None, 1) or "–"),
            ("Answers made ready", number(made, 0) or "–"),
        ]

    @property
    def _memory(self) -> str:
        used, share = self.cache.used, percent(self.cache.memory, 0)
        if used is None:
            return "–"
        return f"{number(used / 1e6, 1)} MB, {share}" if share else f"{number(used / 1e6, 1)} MB"

    @cached_property
    def invalidations(self) -> list[CacheInvalidationEvent] | None:
        """The newest events first; ``None`` while Redis is down."""
        try:
            return recent_invalidations(_MOST_INVALIDATIONS)
        except RedisError:
            return None

    @cached_property
    def queue(self) -> dict[str, Any]:
        return get_queue_stats()

    @property
    def queue_figures(self) -> list[tuple[str, int | None]]:
        """The queue's counts with the words the page uses."""
        return [(label, self.queue[name]) for name, label in _QUEUE_WORDS.items()]

    @cached_property
    def servers(self) -> tuple[ServerState, ...]:
        return server_states()

    @cached_property
    def calendars(self) -> tuple[CalendarState, ...]:
        return calendar_states(self.at)

    @cached_property
    def _checks(self) -> list[CheckRow]:
        health = run_checks()
        return [
            CheckRow(name=name, result=result, kind=CHECK_BADGES[result.status])
            for name, result in health.checks.items()
        ]

    @property
    def processes(self) -> list[CheckRow]:
        return [row for row in self._checks if row.name in _PROCESSES]

    @property
    def other_checks(self) -> list[CheckRow]:
        return [row for row in self._checks if row.name not in _PROCESSES]


def _section_title(name: str) -> str:
    # Resources outside the dashboard have their own address.
    return SECTION_TITLES.get(name, name.replace(":", " ").replace("_", " ").capitalize())
