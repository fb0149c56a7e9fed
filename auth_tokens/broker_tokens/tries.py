"""How many log-ins are left before the desk stops by itself, so that no account is locked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from auth_tokens.broker_tokens.errors import TriesUsedUp
from auth_tokens.broker_tokens.sources import TryLimit, token_source
from auth_tokens.models import TokenEvent
from config.core.clock import now


@dataclass(frozen=True, slots=True, kw_only=True)
class TriesLeft:
    """Of ``tries`` log-ins in ``seconds``, how many are left now."""

    tries: int
    seconds: float
    left: int


def tries_left(provider: str) -> tuple[TriesLeft, ...]:
    """Return one per limit of the provider; none if no log-in is needed.

    An operator's reset or changed credentials restart the count.
    """
    source = token_source(provider)
    return tuple(
        TriesLeft(tries=limit.tries, seconds=limit.seconds, left=max(0, limit.tries - len(started)))
        for limit, started in _log_ins(provider, source.credentials(), source.limits)
    )


def check_tries(*, provider: str, credentials: str, limits: Sequence[TryLimit]) -> None:
    """Raise ``TriesUsedUp`` if any limit has no try left for these credentials."""
    for limit, started in _log_ins(provider, credentials, limits):
        if len(started) >= limit.tries:
            free_at = started[limit.tries - 1] + timedelta(seconds=limit.seconds)
            raise TriesUsedUp(
                f"{provider}: {limit.tries} log-ins in {limit.seconds / 60:.0f} minutes are as many"
                f" as are made, so that the account is not locked. The next is possible at"
                f" {free_at:%Y-%m-%d %H:%M} UTC.",
                provider=provider,
            )


def _log_ins(
    provider: str, credentials: str, limits: Sequence[TryLimit]
) -> Iterator[tuple[TryLimit, list[datetime]]]:
    """Yield each limit with the log-ins that count for it now, the newest first."""
    if not limits:
        return
    at = now()
    events = TokenEvent.objects.filter(provider=provider)
    reset = events.filter(event=TokenEvent.Event.TOKEN_RESET).first()
    since = at - timedelta(seconds=max(limit.seconds for limit in limits))
    started = events.filter(
        event=TokenEvent.Event.LOG_IN_STARTED,
        credentials=credentials,
        at__gt=since if reset is None else max(since, reset.at),
    ).values_list("at", flat=True)
    for limit in limits:
        yield limit, [each for each in started if each > at - timedelta(seconds=limit.seconds)]
