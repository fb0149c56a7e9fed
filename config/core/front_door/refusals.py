"""The one answer that the door refuses with."""

from __future__ import annotations

import json

from config.core.api.error_handler import error_body
from config.core.front_door.headers import Wire

_THROTTLED = "Too many requests in this second."


def refusal(request_id: bytes, protecting: Wire) -> tuple[Wire, bytes]:
    """Headers and body of a 429, as the API's errors look."""
    error = error_body("throttled", _THROTTLED, request=None)
    error["error"]["request_id"] = request_id.decode("ascii")
    body = json.dumps(error).encode()
    headers: Wire = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode("ascii")),
        (b"cache-control", b"no-store"),
        (b"retry-after", b"1"),
        *protecting,
        (b"x-request-id", request_id),
    ]
    return headers, body
