"""Answers that are never prepared: read for each request, but before Django.

Requests for a key that is being read share the next reading, which starts after the last of them
arrived: none gets data read before it asked, and a hundred cost as much as two.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial

import structlog

from config.core.caching.facts import CacheFacts, recording_cache_facts
from config.core.front_door.asgi import Scope, Send
from config.core.front_door.encodings import IDENTITY, compressed
from config.core.front_door.grants import Grant
from config.core.front_door.headers import RequestIds, Wire
from config.core.front_door.live.sharing import SharedReadings
from config.core.front_door.requests import Asked
from config.core.front_door.resources import Resource
from config.core.monitoring.recording import record_answer
from config.core.monitoring.tally import Tally, tallied
from config.core.threads import ThreadPool

logger = structlog.get_logger(__name__)

# More would wait for each other: a reading has threads of its own for what is slow.
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """A body in the requested forms, and the cost of reading it."""

    forms: dict[str, bytes]
    tally: Tally
    facts: CacheFacts

    def form(self, form: str) -> bytes:
        """Return the form, making it if needed."""
        if form not in self.forms:
            self.forms[form] = compressed(self.forms[IDENTITY], form, is_brief=True)
        return self.forms[form]


class LiveAnswers:
    """Answer requests for live resources by callers with a grant."""

    def __init__(self, *, clock: Callable[[], float], ids: RequestIds) -> None:
        self._clock = clock
        self._ids = ids
        self._threads = ThreadPool("door-live", most=_THREADS)
        self._readings: SharedReadings[Reading | None] = SharedReadings(self._threads)

    async def __call__(
        self,
        asked: Asked,
        grant: Grant,
        is_granted: Callable[[], bool],
        scope: Scope,
        send: Send,
    ) -> bool:
        """Answer. ``False``: nothing was sent, Django answers."""
        begun, resource = self._clock(), grant.resource
        try:
            read = partial(_read, resource, grant.key, asked.form)
            reading = await self._readings(grant.name, read)
        except Exception as error:  # noqa: BLE001 - Django meets the same, and says it in words
            logger.warning("front_door.not_read", name=resource.name, reason=type(error).__name__)
            return False
        # Access may have been revoked while it waited.
        if reading is None or not is_granted():
            return False
        body = reading.forms.get(asked.form)
        if body is None:
            body = await self._threads(partial(reading.form, asked.form))
        request_id = self._ids.of(asked.request_id)
        length = str(len(body)).encode("ascii")
        headers: Wire = [
            (b"content-type", b"application/json"),
            *grant.headers.headers,
            (b"content-length", length),
            (b"x-request-id", request_id),
        ]
        if asked.form != IDENTITY:
            headers.append((b"content-encoding", asked.form.encode("ascii")))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] == "HEAD":
            body = b""
        await send({"type": "http.response.body", "body": body})
        with structlog.contextvars.bound_contextvars(request_id=request_id.decode("latin-1")):
            record_answer(
                scope["method"],
                resource.route,
                200,
                self._clock() - begun,
                reading.tally,
                reading.facts,
            )
        return True

    def close(self) -> None:
        self._readings.cancel()
        self._threads.close()


def _read(resource: Resource, key: Hashable, form: str) -> Reading | None:
    with tallied() as tally, recording_cache_facts() as facts:
        body = resource.live_source.read(key)
    if body is None:
        return None
    reading = Reading({IDENTITY: body}, tally, facts)
    reading.form(form)
    return reading
