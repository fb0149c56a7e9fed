"""The kinds of change that invalidate cached answers."""

from __future__ import annotations

from enum import StrEnum


class Change(StrEnum):
    """``event_type`` of a ``CacheInvalidationEvent``. Imports bring executions."""

    POSITION_UPDATE = "position_update"
    SIGNAL_UPDATE = "signal_update"
    EXECUTION_UPDATE = "execution_update"
    MANUAL_CLEAR = "manual_clear"
