"""The door's refusals, in the shape of the API's errors."""

from __future__ import annotations

import json

from config.core.api.error_handler import error_body
from config.core.front_door.headers import Wire

_THROTTLED = "Too many requests in this second."
_UNREADABLE = "The query string holds bytes that are not ASCII: percent-encode them."


def refusal(request_id: bytes, protecting: Wire) -> tuple[Wire, bytes]:
    """Return headers and body of a 429."""
    return refused("throttled", _THROTTLED, request_id, [(b"retry-after", b"1"), *protecting])


def unreadable_query(request_id: bytes, protecting: Wire) -> tuple[Wire, bytes]:
    """Return headers and body of a 400 for an invalid query string (RFC 3986 §3.4)."""
    return refused("invalid_input", _UNREADABLE, request_id, protecting)


def refused(code: str, message: str, request_id: bytes, more: Wire) -> tuple[Wire, bytes]:
    """Return headers and body of a refusal in the shape of the API's errors."""
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
    return headers, body
