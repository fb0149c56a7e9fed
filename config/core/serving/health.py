"""``/health`` on a way of its own: it answers while all of Django's threads are taken."""

from __future__ import annotations

import asyncio
import json
import time

from config.core.front_door.asgi import Application, Receive, Scope, Send
from config.core.health import HealthStatus, late_health, run_checks
from config.core.threads import ThreadPool

PATH = b"/health"
#: One look serves everybody who asks within these seconds.
KEPT_SECONDS = 1.0
#: Checks that take longer count as a database that does not answer.
LONGEST_SECONDS = 4.0


class HealthDoor:
    """Answers ``GET /health`` from one thread of its own; other requests pass.

    The answer is the same as ``health_view``'s, without regard to the host: a load balancer asks by
    address.
    """

    def __init__(self, application: Application) -> None:
        self.application = application
        self._thread = ThreadPool("health", most=1)
        self._look: asyncio.Future[HealthStatus] | None = None
        self._looked_at = 0.0

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
        moment = time.monotonic()
        look = self._look
        if look is None or (look.done() and moment - self._looked_at >= KEPT_SECONDS):
            look = self._look = asyncio.ensure_future(self._thread(run_checks))
            self._looked_at = moment
        done, _ = await asyncio.wait((look,), timeout=LONGEST_SECONDS)
        return look.result() if done else late_health()

    def close(self) -> None:
        self._thread.close()
        self._look = None
