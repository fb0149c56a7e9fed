"""Refusals in the shape of the API's errors."""

from __future__ import annotations

import json

from config.core.api.error_handler import error_body
from config.core.front_door.asgi import Send
from config.core.front_door.headers import Wire


async def refuse(
    send: Send, status: int, code: str, message: str, *, request_id: bytes, more: Wire
) -> None:
    """Answer with the error and, beside its own, ``more`` headers."""
    error = error_body(code, message, request=None)
    error["error"]["request_id"] = request_id.decode("ascii")
    body = json.dumps(error).encode()
    headers: Wire = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode("ascii")),
        (b"cache-control", b"no-store"),
        *more,
        (b"x-request-id", request_id),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
