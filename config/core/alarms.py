"""Problems reported to staff by rooms that know nothing about alerts.

A room registers a function in ``AppConfig.ready()``; a sweep asks all of them every 15 seconds and
sends what they find (``greeks.alerts.system_events``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One problem. The same ``subject`` is sent at most once an hour; no text holds a secret."""

    subject: str
    title: str
    text: str


#: Returns a problem, or ``None`` if there is none or it cannot tell.
Look = Callable[[], Alarm | None]

_looks: list[Look] = []


def register_alarm(look: Look) -> Look:
    """Have the sweep call ``look``, which must take well under a second."""
    if look not in _looks:
        _looks.append(look)
    return look


def found_alarms() -> Iterator[Alarm]:
    """Run every registered check. One that raises is logged; the others still run."""
    for look in _looks:
        try:
            alarm = look()
        except Exception:
            logger.exception("alarm.look_failed", look=look.__qualname__)
            continue
        if alarm is not None:
            yield alarm
