"""Bodies of requests are read on the event loop, before a thread is taken for them.

Django reads a body in the thread that runs the view, and its threads are few: a client that sends
slowly would hold one.
"""

from __future__ import annotations

import asyncio

from django.conf import settings

from config.core.front_door.asgi import Application, Message, Receive, Scope, Send
from config.core.front_door.headers import RequestIds
from config.core.front_door.refusals import refuse

BODY_SECONDS = 10.0
#: Bytes of all bodies that are held at once; more are refused until some are answered.
HELD_BYTES = 64 * 1024 * 1024
_CLOSE = [(b"x-content-type-options", b"nosniff"), (b"connection", b"close")]
_STATUS = {"body_too_large": 413, "body_too_slow": 408, "too_many_bodies": 503}
_TEXT = {
    "body_too_large": "The body is larger than is read here.",
    "body_too_slow": "The body did not arrive in time.",
    "too_many_bodies": "Too many bodies are being received. Try again.",
}


class BodyRefused(Exception):
    """Say so to the client and end the connection. ``code`` is the error's."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class BodiesFirst:
    """Gives ``application`` requests whose whole body has arrived, and refuses the others.

    413 above ``DATA_UPLOAD_MAX_MEMORY_SIZE`` or what ``LARGE_BODIES`` says of the path, 408 after
    ``BODY_SECONDS`` for each such size that is announced.
    """

    def __init__(self, application: Application) -> None:
        self.application = application
        self._held = 0
        self._ids = RequestIds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope["headers"]
        if not any(name in (b"content-length", b"transfer-encoding") for name, _ in headers):
            await self.application(scope, receive, send)
            return
        body, usual = bytearray(), settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        most, announced = settings.LARGE_BODIES.get(scope["path"], usual), announced_bytes(scope)
        try:
            try:
                if announced > most:
                    raise BodyRefused("body_too_large")
                async with asyncio.timeout(BODY_SECONDS * max(1, announced / usual)):
                    is_whole = await self._read(body, most, receive)
            except TimeoutError:
                raise BodyRefused("body_too_slow") from None
            if is_whole:
                await self.application(scope, _arrived(bytes(body), receive), send)
        except BodyRefused as refusal:
            await self._refuse(refusal.code, scope, send)
        finally:
            self._held -= len(body)

    async def _read(self, body: bytearray, most: int, receive: Receive) -> bool:
        """Read all of it into ``body``. False: the client is gone."""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return False
            part = message.get("body", b"")
            body += part
            self._held += len(part)
            if len(body) > most:
                raise BodyRefused("body_too_large")
            if self._held > HELD_BYTES:
                raise BodyRefused("too_many_bodies")
            if not message.get("more_body", False):
                return True

    async def _refuse(self, code: str, scope: Scope, send: Send) -> None:
        offered = dict(scope["headers"]).get(b"x-request-id", b"")
        request_id = self._ids.of(offered)
        await refuse(send, _STATUS[code], code, _TEXT[code], request_id=request_id, more=_CLOSE)


def announced_bytes(scope: Scope) -> int:
    """Return the request's ``Content-Length``; 0 if it has none or an unreadable one."""
    text = dict(scope["headers"]).get(b"content-length", b"")
    return int(text[:20]) if text.isdigit() else 0


def _arrived(body: bytes, receive: Receive) -> Receive:
    """Return what the application receives: the body at once, then what the client does."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received
