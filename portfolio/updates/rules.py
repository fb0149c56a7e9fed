"""How often a portfolio is recalculated while its prices move."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from django.conf import settings


class Priority(IntEnum):
    """Who wants the update. Of merged requests the highest counts."""

    MARKET = 1
    BULK = 2
    MANUAL = 3


@dataclass(frozen=True, slots=True)
class UpdateRules:
    """Limits of one portfolio's updates.

    An update waits until no symbol of its portfolio has moved for ``debounce_seconds``, at most
    ``maximum_wait_seconds`` after the first. In any 60 seconds there are at most
    ``market_per_minute`` updates; what exceeds them waits, merged. Manual requests do not wait and
    have ``manual_per_minute`` of their own; beyond it they wait as any other.
    """

    debounce_seconds: float = 2.0
    maximum_wait_seconds: float = 5.0
    market_per_minute: int = 20
    manual_per_minute: int = 10


def update_rules() -> UpdateRules:
    """Return the rules of the settings."""
    return UpdateRules(
        debounce_seconds=settings.PORTFOLIO_UPDATE_DEBOUNCE_SECONDS,
        maximum_wait_seconds=settings.PORTFOLIO_UPDATE_MAXIMUM_WAIT_SECONDS,
        market_per_minute=settings.PORTFOLIO_UPDATES_PER_MINUTE,
        manual_per_minute=settings.PORTFOLIO_MANUAL_UPDATES_PER_MINUTE,
    )
