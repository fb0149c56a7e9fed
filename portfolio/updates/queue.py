"""The queue between a price and the portfolios that hold it, in Redis, shared by all processes.

A price storm becomes few recalculations: a portfolio waits once, with all symbols that moved, until
it is due (``UpdateRules``). Each script runs alone in Redis, so two loops never claim the same
portfolio. A claim lapses if its process dies, and its symbols wait again. The queue holds no
prices: whoever recalculates reads the newest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import structlog
from redis.commands.core import Script
from redis.exceptions import RedisError

from config.core.redis.client import key, redis_client
from portfolio.updates.rules import Priority, UpdateRules, update_rules

logger = structlog.get_logger(__name__)

#: A claim that nobody keeps lapses after this, and another loop takes the portfolio.
LEASE_SECONDS: Final = 15.0
WINDOW_SECONDS: Final = 60
# Portfolios sent to Redis in one call, and symbols of one: bounds what a script is given.
_A_CALL: Final = 200
_SYMBOLS_A_CALL: Final = 1000
_SCRIPTS: Final = Path(__file__).parent / "scripts"


@dataclass(frozen=True, slots=True)
class Claim:
    """A portfolio that this process recalculates now, and what moved in it."""

    portfolio_id: int
    token: str
    priority: Priority
    is_manual: bool
    symbols: frozenset[str]


@dataclass(frozen=True, slots=True)
class Claimed:
    """The result of one look at the queue. ``is_new``: Redis lost the waiting updates."""

    claims: tuple[Claim, ...]
    is_new: bool


def queue_portfolio_update(
    portfolio_id: int, symbols: Collection[str] = (), priority: int = Priority.MARKET
) -> bool:
    """Queue one portfolio; ``False`` if Redis is down, when the sweep finds it later."""
    return queue_portfolio_updates({portfolio_id: symbols}, priority)


def queue_portfolio_updates(
    moved: Mapping[int, Collection[str]],
    priority: int = Priority.MARKET,
    *,
    rules: UpdateRules | None = None,
    at: float | None = None,
) -> bool:
    """Queue portfolios with what moved in each; ``False`` if Redis is down.

    ``priority`` is 1 to 3 (``ValueError`` else). ``at`` sets the time in seconds, for tests.
    """
    rules = rules or update_rules()
    level = Priority(priority)
    head = (*_times(at, rules.debounce_seconds, rules.maximum_wait_seconds), int(level))
    parts = [
        (str(portfolio_id), str(len(part)), *part)
        for portfolio_id, symbols in moved.items()
        for part in _in_parts(sorted(symbols), _SYMBOLS_A_CALL)
    ]
    begun = 0
    try:
        for call in _in_calls(parts):
            begun += _run("enqueue", *head, *call)
    except RedisError as error:
        logger.warning("updates.not_queued", portfolios=len(moved), reason=type(error).__name__)
        return False
    if begun:
        logger.debug("updates.queued", portfolios=begun, priority=int(level))
    return True


def claim_due(*, most: int, rules: UpdateRules | None = None, at: float | None = None) -> Claimed:
    """Claim up to ``most`` portfolios that are due, the most urgent first. Raises ``RedisError``.

    What exceeds its limit of a minute stays in the queue until there is room.
    """
    rules = rules or update_rules()
    token = uuid4().hex
    head = _times(at, rules.debounce_seconds, rules.maximum_wait_seconds)
    is_new, deferred, *found = _run(
        "claim",
        *head,
        rules.market_per_minute,
        rules.manual_per_minute,
        WINDOW_SECONDS * 1000,
        int(LEASE_SECONDS * 1000),
        most,
        token,
    )
    if deferred:
        logger.info("updates.deferred", portfolios=deferred)
    claims = tuple(
        Claim(int(name), token, Priority(int(priority)), kind == "manual", frozenset(symbols))
        for name, kind, priority, _, symbols in found
    )
    return Claimed(claims, bool(is_new))


def finish(claims: Sequence[Claim], *, at: float | None = None) -> list[float | None]:
    """End claims; return for each the seconds since its first update. Raises ``RedisError``.

    ``None`` for a claim that had lapsed and is another's by now.
    """
    pairs = [part for claim in claims for part in (claim.portfolio_id, claim.token)]
    delays = _run("finish", *_times(at), *pairs) if claims else []
    return [None if delay < 0 else delay / 1000 for delay in map(int, delays)]


def keep_claims(claims: Collection[Claim], *, at: float | None = None) -> None:
    """Extend claims still being computed. Raises ``RedisError``."""
    by_token: dict[str, list[int]] = {}
    for claim in claims:
        by_token.setdefault(claim.token, []).append(claim.portfolio_id)
    for token, names in by_token.items():
        _run("keep", *_times(at), int(LEASE_SECONDS * 1000), token, *names)


def _run(name: str, *arguments: Any) -> Any:
    return _script(name)(keys=[key("updates")], args=arguments, client=redis_client())


@cache
def _script(name: str) -> Script:
    text = "".join((_SCRIPTS / f"{part}.lua").read_text("utf-8") for part in ("common", name))
    return redis_client().register_script(text)


def _times(at: float | None, *seconds: float) -> tuple[str | int, ...]:
    """The script's time (empty: Redis's own) and durations, in milliseconds."""
    return ("" if at is None else round(at * 1000), *(round(each * 1000) for each in seconds))


def _in_parts(items: Sequence[str], size: int) -> list[Sequence[str]]:
    return [items[start : start + size] for start in range(0, len(items), size)] or [()]


def _in_calls(parts: Sequence[tuple[str, ...]]) -> list[list[str]]:
    """Group parts so that no call carries much more than the largest part."""
    calls: list[list[str]] = []
    room = 0
    for number, part in enumerate(parts):
        if len(part) > room or number % _A_CALL == 0:
            calls.append([])
            room = 2 * _SYMBOLS_A_CALL
        calls[-1].extend(part)
        room -= len(part)
    return calls
