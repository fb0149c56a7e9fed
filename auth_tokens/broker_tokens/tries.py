"""How many log-ins are left before the desk stops by itself, so that no account is locked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from auth_tokens.broker_tokens.sources import token_source
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
    source, at = token_source(provider), now()
    if not source.limits:
        return ()
    events = TokenEvent.objects.filter(provider=provider)
    reset = events.filter(event=TokenEvent.Event.TOKEN_RESET).first()
    started = list(
        events.filter(
            event=TokenEvent.Event.LOG_IN_STARTED,
            credentials=source.credentials(),
            at__gt=at - timedelta(seconds=max(limit.seconds for limit in source.limits)),
        ).values_list("at", flat=True)
    )
    counted = [each for each in started if reset is None or each > reset.at]
    return tuple(
        TriesLeft(
            tries=limit.tries,
            seconds=limit.seconds,
            left=max(
                0,
                limit.tries - sum(each > at - timedelta(seconds=limit.seconds) for each in counted),
            ),
        )
        for limit in source.limits
    )
