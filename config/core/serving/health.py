"""``/health`` on a way of its own: it answers while all of Django's threads are taken."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

from config.core.front_door.asgi import Application, Receive, Scope, Send
from config.core.health import (
    DATABASE,
    CheckResult,
    HealthStatus,
    check_database,
    late_health,
    run_checks,
    without_database,
)
from config.core.threads import ThreadPool

PATH = b"/health"
#: One look serves everybody who asks within these seconds.
KEPT_SECONDS = 1.0
#: The checks have as long; then the last ones are told, with their age.
CHECKS_SECONDS = 0.5

Found = TypeVar("Found", CheckResult, HealthStatus)


class HealthDoor:
    """Answers ``GET /health`` from threads of its own; other requests pass.

    The answer is the same as ``health_view``'s, without regard to the host: a load balancer asks by
    address. It never waits for a database or a check: at most for a moment.
    """

    def __init__(self, application: Application) -> None:
        self.application = application
        # The database is asked again while a check hangs.
        self._thread = ThreadPool("health", most=2)
        self._forget()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("raw_path") != PATH or scope["method"] not in ("GET", "HEAD"):
            await self.application(scope, receive, send)
            return
        health = await self._health()
        body = json.dumps(health.as_json()).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode("ascii")),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": health.code, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _health(self) -> HealthStatus:
        checking = self._checks.look()
        # Asking the database has a limit of its own.
        database = await asyncio.shield(self._database.look())
        if database.status == "down":
            return without_database(database)
        done, _ = await asyncio.wait((checking,), timeout=CHECKS_SECONDS)
        if done:
            return checking.result()
        if (last := self._checks.last) is None or last.status == "down":
            return late_health(database)
        checks = {**last.checks, DATABASE: database}
        return replace(last, checks=checks, age_seconds=round(self._checks.age_seconds(), 1))

    def close(self) -> None:
        self._thread.close()
        self._forget()

    def _forget(self) -> None:
        self._database = _Looked[CheckResult](check_database, self._thread)
        self._checks = _Looked[HealthStatus](run_checks, self._thread)


class _Looked(Generic[Found]):
    """A look of which one is under way at most. ``last`` is what the last one that ended found."""

    def __init__(self, call: Callable[[], Found], thread: ThreadPool) -> None:
        self._call: Callable[[], Found] = call
        self._thread = thread
        self._look: asyncio.Future[Found] | None = None
        self._looked_at = 0.0
        self.last: Found | None = None
        self._found_at = 0.0

    def look(self) -> asyncio.Future[Found]:
        """Return the newest look, or a new one if that is old."""
        moment = time.monotonic()
        if self._look is None or (self._look.done() and moment - self._looked_at >= KEPT_SECONDS):
            self._looked_at = moment
            self._look = asyncio.ensure_future(self._thread(self._call))
            self._look.add_done_callback(self._note)
        return self._look

    def age_seconds(self) -> float:
        return time.monotonic() - self._found_at

    def _note(self, look: asyncio.Future[Found]) -> None:
        if not look.cancelled() and look.exception() is None:
            self.last, self._found_at = look.result(), time.monotonic()
