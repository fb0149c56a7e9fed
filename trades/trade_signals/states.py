"""The states of a signal: which step may follow which. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trades.models import TradeSignal

Status = TradeSignal.Status

#: What may follow each status.
STEPS: Final[Mapping[str, frozenset[str]]] = {
    Status.QUEUED: frozenset({Status.ACTIVE, Status.EXPIRED, Status.CANCELLED}),
    Status.ACTIVE: frozenset({Status.EXECUTED, Status.EXPIRED, Status.CANCELLED}),
    Status.EXECUTED: frozenset(),
    Status.EXPIRED: frozenset(),
    Status.CANCELLED: frozenset(),
}
#: What later knowledge corrects: a fill from before the expiry that was told after it, and a trade
#: that turns out to follow another signal.
CORRECTIONS: Final[Mapping[str, frozenset[str]]] = {
    Status.EXPIRED: frozenset({Status.EXECUTED}),
    Status.EXECUTED: frozenset({Status.ACTIVE}),
}
#: A signal that somebody may still act on.
LIVE: Final = (Status.QUEUED, Status.ACTIVE)


def steps_between(before: str, after: str, *, corrects: bool = False) -> list[str] | None:
    """Return the statuses to go through, ``after`` last; ``None`` if there is no way.

    A fill may be the first that is heard of a queued signal: it was active before.
    """
    if after in STEPS[before] or (corrects and after in CORRECTIONS.get(before, ())):
        return [after]
    if before == Status.QUEUED and after == Status.EXECUTED:
        return [Status.ACTIVE, Status.EXECUTED]
    return None
