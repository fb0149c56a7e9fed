"""What the simulated Polygon.io enforces: its key, calls per minute, parameters."""

from __future__ import annotations

import base64
import json
import math
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import date
from operator import eq, ge, gt, le, lt
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse

API_KEY: Final = "simulated-polygon-key"
CALLS_A_MINUTE: Final = 5
_MINUTE: Final = 60.0
_COMPARISONS = {"": eq, ".gte": ge, ".gt": gt, ".lte": le, ".lt": lt}


class Refused(Exception):
    """The request is answered with an error in the vendor's form."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    @property
    def response(self) -> JSONResponse:
        body = {"status": "ERROR", "request_id": request_id(), "error": self.message}
        return JSONResponse(body, status_code=self.status, headers=self.headers)


def request_id() -> str:
    return secrets.token_hex(16)


def check_key(request: Request) -> None:
    """Bearer, or the older parameter ``apiKey``."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    offered = token if scheme == "Bearer" else request.query_params.get("apiKey", "")
    if not secrets.compare_digest(offered.encode(), API_KEY.encode()):
        raise Refused(401, "Unknown API Key")


class CallLimit:
    """Five calls in any minute; beyond that 429 with Retry-After."""

    def __init__(self, *, enabled: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.enabled = enabled
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: deque[float] = deque()

    def take(self) -> None:
        if not self.enabled:
            return
        moment = self._clock()
        with self._lock:
            while self._calls and self._calls[0] <= moment - _MINUTE:
                self._calls.popleft()
            if len(self._calls) >= CALLS_A_MINUTE:
                wait = max(1, math.ceil(self._calls[0] + _MINUTE - moment))
                raise Refused(
                    429,
                    "You've exceeded the maximum requests per minute, please wait or upgrade your "
                    "subscription to continue.",
                    retry_after=str(wait),
                )
            self._calls.append(moment)


def parameters_of(request: Request) -> dict[str, str]:
    """Return the request's parameters, or those stored in its cursor."""
    cursor = request.query_params.get("cursor")
    if cursor is None:
        return dict(request.query_params)
    try:
        remembered = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except ValueError:
        raise Refused(400, "cursor: not one of ours") from None
    return {str(name): str(value) for name, value in dict(remembered).items()}


def cursor_of(parameters: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(dict(parameters)).encode()).decode()


def limit_of(parameters: Mapping[str, str], *, default: int, maximum: int) -> int:
    try:
        limit = int(parameters.get("limit", default))
    except ValueError:
        limit = 0
    if not 1 <= limit <= maximum:
        raise Refused(400, f"limit: must be between 1 and {maximum}")
    return limit


def in_range(parameters: Mapping[str, str], name: str) -> Callable[[Any], bool]:
    """Return a test for values that pass the request's filters ``name``, ``name.gte``, …."""
    read = date.fromisoformat if name == "expiration_date" else float
    bounds: list[tuple[Callable[[Any, Any], bool], Any]] = []
    for suffix, compare in _COMPARISONS.items():
        text = parameters.get(f"{name}{suffix}")
        if text is None:
            continue
        try:
            bounds.append((compare, read(text)))
        except ValueError:
            raise Refused(400, f"{name}: {text[:40]!r} is not understood") from None

    return lambda value: all(compare(value, bound) for compare, bound in bounds)
