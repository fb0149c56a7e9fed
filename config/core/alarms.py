"""Troubles that staff are alerted to, found by rooms that know nothing of alerts.

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
    """One trouble. The same ``subject`` is sent at most once an hour; no text holds a secret."""

    subject: str
    title: str
    text: str


#: Finds a trouble; ``None`` while all is well or nothing is known.
Look = Callable[[], Alarm | None]

_looks: list[Look] = []


def register_alarm(look: Look) -> Look:
    """Have the sweep ask ``look``, which must take well under a second."""
    if look not in _looks:
        _looks.append(look)
    return look


def found_alarms() -> Iterator[Alarm]:
    """Ask all. One that raises is logged and hides no other."""
    for look in _looks:
        try:
            alarm = look()
        except Exception:
            logger.exception("alarm.look_failed", look=look.__qualname__)
            continue
        if alarm is not None:
            yield alarm
