"""Bodies of syncs in the API."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from config.core.api.parameters import IDENTIFIER
from config.core.api.shapes import Moment, Shape


class Fault(Shape):
    code: str
    message: str


class SyncRequest(Shape):
    account_id: Annotated[str, Meta(max_length=64, extra_json_schema=IDENTIFIER)] | None = None


class QueuedRun(Shape):
    id: str
    account_id: str
    status_url: str


class SyncQueued(Shape):
    run_id: str
    runs: list[QueuedRun]


class SyncRun(Shape):
    id: str
    account_id: str
    step: str
    progress: int
    outcome: str
    error: Fault | None
    requested_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    counts: dict[str, Any]
