"""OAuth tokens of the simulated Tastytrade, its User-Agent rule and its blocked addresses."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

#: Credentials of the demo and the tests; they are valid nowhere else.
CLIENT_SECRET = "simulated-client-secret"  # noqa: S105
REFRESH_TOKEN = "simulated-refresh-token"  # noqa: S105
TOKEN_SECONDS = 900
#: This many refused log-ins in a row block the address, for this long.
REFUSED_BEFORE_BLOCK = 5
BLOCK_SECONDS = 8 * 3600.0

_USER_AGENT = re.compile(r"[^\s/]+/\S+")


class LogIns:
    """Issued access tokens and the count of refused log-ins. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[str, float] = {}
        self._refused = 0
        self._blocked_until = 0.0

    def forget(self) -> None:
        """Refuse every token issued so far; forget refused log-ins and lift the block."""
        with self._lock:
            self._tokens.clear()
            self._refused, self._blocked_until = 0, 0.0

    def refusal(self, request: Request, *, needs_token: bool = True) -> Response | None:
        """Return the refusal of a request, or ``None`` if it may pass."""
        with self._lock:
            if time.monotonic() < self._blocked_until:
                return _page(403, "Forbidden")
            if not _USER_AGENT.match(request.headers.get("user-agent", "")):
                return _page(401, "Authorization Required")
            if not needs_token:
                return None
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme == "Bearer" and self._tokens.get(token, 0.0) > time.monotonic():
                return None
        return error_response(401, "invalid_token", "This token is invalid or has expired")

    def grant(self, body: Mapping[str, Any]) -> Response:
        """Answer POST /oauth/token. The answer has no ``data`` envelope."""
        if body.get("grant_type") != "refresh_token":
            return _oauth_error("unsupported_grant_type", "The grant type is not supported")
        known = body.get("client_secret") == CLIENT_SECRET
        if not known or body.get("refresh_token") != REFRESH_TOKEN:
            with self._lock:
                self._refused += 1
                if self._refused >= REFUSED_BEFORE_BLOCK:
                    self._blocked_until = time.monotonic() + BLOCK_SECONDS
            return _oauth_error("invalid_grant", "Grant revoked")
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._refused = 0
            self._tokens[token] = time.monotonic() + TOKEN_SECONDS
        return JSONResponse(
            {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}
        )


def error_response(status: int, code: str, message: str, *errors: dict[str, str]) -> JSONResponse:
    """Return Tastytrade's error envelope; ``errors`` name the invalid parameters."""
    error: dict[str, Any] = {"code": code, "message": message}
    if errors:
        error["errors"] = list(errors)
    return JSONResponse({"error": error}, status_code=status)


def _oauth_error(code: str, description: str) -> JSONResponse:
    return JSONResponse({"error_code": code, "error_description": description}, status_code=400)


def _page(status: int, words: str) -> HTMLResponse:
    """Return the page with which the vendor's web server answers before the API."""
    title = f"{status} {words}"
    return HTMLResponse(
        f"<html>\n<head><title>{title}</title></head>\n<body>\n<center><h1>{title}</h1></center>\n"
        "<hr><center>nginx</center>\n</body>\n</html>\n",
        status_code=status,
    )
