"""What can change that makes cached answers wrong."""

from __future__ import annotations

from enum import StrEnum


class Change(StrEnum):
    """``event_type`` of a ``CacheInvalidationEvent``. What an import brings are executions."""

    POSITION_UPDATE = "position_update"
    SIGNAL_UPDATE = "signal_update"
    EXECUTION_UPDATE = "execution_update"
    MANUAL_CLEAR = "manual_clear"
