"""Access to the simulated Upstox: dialog, log-in, code, token.

Follows the vendor's documentation of "Authorize" and "Get token": the dialog leads to the log-in
site, the site back to the redirect URL with a code, and the code buys one token, once.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from auth_tokens.sandbox.upstox.pages import log_in_page
from auth_tokens.sandbox.upstox.person import Person, Refusal
from config.core.clock import now

API_KEY: Final = "simulated-upstox-key"
API_SECRET: Final = "simulated-upstox-secret"  # noqa: S105
ANALYTICS_TOKEN: Final = "simulated-analytics-token"  # noqa: S105
INDIA: Final = ZoneInfo("Asia/Kolkata")
#: A day's tokens end at this time. (The API itself is closed from midnight until it opens.)
ENDS_AT: Final = time(3, 30)
OPENS_AT: Final = time(5, 30)
CODE_SECONDS: Final = 300
_WRONG_APP: Final = "Check your 'client_id' and 'redirect_uri'; one or both are incorrect."
_STEPS: Final = {"mobile": "code", "code": "pin", "pin": ""}


@dataclass(slots=True)
class _Visit:
    """One browser on its way through the log-in site."""

    redirect_uri: str
    state: str
    step: str = "mobile"


class UpstoxAccess:
    """Log-ins and tokens of one running server. Thread-safe.

    ``clock`` is the server's wall time. ``closed_at_night``: answer only "closed" from midnight to
    05:30 in India, as the vendor does. ``log_ins`` counts tokens issued.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = now,
        closed_at_night: bool = False,
    ) -> None:
        self.clock = clock
        self.closed_at_night = closed_at_night
        self.person = Person(clock=lambda: self.clock())
        self.log_ins = 0
        self._lock = threading.Lock()
        self._visits: dict[str, _Visit] = {}
        self._codes: dict[str, tuple[str, datetime]] = {}
        self._tokens: dict[str, datetime] = {}

    def accepts(self, authorization: str) -> bool:
        """Return whether this ``Authorization`` header opens the API now."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return False
        if hmac.compare_digest(token.encode(), ANALYTICS_TOKEN.encode()):
            return True
        with self._lock:
            ends_at = self._tokens.get(token)
        return ends_at is not None and self.clock() < ends_at

    def refusal(self, request: Request) -> Response | None:
        """Return the vendor's refusal of a request, or ``None`` if it may pass."""
        if self.is_closed():
            return closed_answer()
        if self.accepts(request.headers.get("authorization", "")):
            return None
        return error_answer(401, "UDAPI100050", "Invalid token used to access API")

    def is_closed(self) -> bool:
        return self.closed_at_night and self.clock().astimezone(INDIA).time() < OPENS_AT

    def end_all_tokens(self) -> None:
        """Forget every issued token (not the analytics token)."""
        with self._lock:
            self._tokens.clear()

    def grant(self) -> str:
        """Issue a token valid until the next 03:30 in India."""
        at = self.clock()
        token = _token_text(at, _next_end(at))
        with self._lock:
            self._tokens[token] = _next_end(at)
            self.log_ins += 1
        return token

    def routes(self) -> list[Route]:
        """Routes for the ASGI application mounted at ``/upstox``."""
        return [
            Route("/v2/login/authorization/dialog", self._dialog),
            Route("/v2/login/authorization/token", self._token, methods=["POST"]),
            Route("/login/{visit}", self._page),
            Route("/login/{visit}/{step}", self._step, methods=["POST"]),
        ]

    async def _dialog(self, request: Request) -> Response:
        asked = request.query_params
        redirect_uri = asked.get("redirect_uri", "")
        if asked.get("response_type") != "code":
            return error_answer(400, "UDAPI100036", "Invalid Input", path="response_type")
        if asked.get("client_id") != API_KEY or urlsplit(redirect_uri).scheme not in (
            "http",
            "https",
        ):
            return error_answer(401, "UDAPI100068", _WRONG_APP)
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._visits[name] = _Visit(redirect_uri, asked.get("state", ""))
        return RedirectResponse(f"{request.scope.get('root_path', '')}/login/{name}", 302)

    async def _page(self, request: Request) -> Response:
        if request.path_params["visit"] not in self._visits:
            return HTMLResponse("<h1>This page has expired.</h1>", 404)
        return HTMLResponse(log_in_page(request.url.path), headers={"Cache-Control": "no-store"})

    async def _step(self, request: Request) -> Response:
        name, step = request.path_params["visit"], request.path_params["step"]
        visit = self._visits.get(name)
        if visit is None or visit.step != step:
            return JSONResponse({"message": "This page has expired."}, 409)
        typed = str((await request.json()).get("value", ""))
        check = {
            "mobile": self.person.check_mobile,
            "code": self.person.check_code,
            "pin": self.person.check_pin,
        }[step]
        try:
            check(typed)
        except Refusal as refusal:
            return JSONResponse({"message": str(refusal)}, 400)
        visit.step = _STEPS[step]
        if visit.step:
            return JSONResponse({"next": visit.step})
        self.person.failures = 0
        code = secrets.token_urlsafe(6)
        with self._lock:
            del self._visits[name]
            ends_at = self.clock() + timedelta(seconds=CODE_SECONDS)
            self._codes[code] = (visit.redirect_uri, ends_at)
        sent = {"code": code} | ({"state": visit.state} if visit.state else {})
        joint = "&" if urlsplit(visit.redirect_uri).query else "?"
        return JSONResponse({"location": f"{visit.redirect_uri}{joint}{urlencode(sent)}"})

    async def _token(self, request: Request) -> Response:
        if self.is_closed():
            return closed_answer()
        kind = request.headers.get("content-type", "").partition(";")[0]
        if kind != "application/x-www-form-urlencoded":
            return error_answer(400, "UDAPI10000", "This request is not supported by Upstox API")
        form = {
            name: values[-1] for name, values in parse_qs((await request.body()).decode()).items()
        }
        if form.get("grant_type") != "authorization_code":
            return error_answer(400, "UDAPI100036", "Invalid Input", path="grant_type")
        if (form.get("client_id"), form.get("client_secret")) != (API_KEY, API_SECRET):
            return error_answer(401, "UDAPI100016", "Invalid Credentials")
        with self._lock:
            redirect_uri, ends_at = self._codes.pop(form.get("code", ""), ("", self.clock()))
        if self.clock() >= ends_at:
            return error_answer(401, "UDAPI100057", "Invalid Auth code")
        if redirect_uri != form.get("redirect_uri"):
            return error_answer(401, "UDAPI100069", _WRONG_APP)
        return JSONResponse(
            {
                "email": "simulated@example.org",
                "exchanges": ["NSE", "BSE", "NFO"],
                "products": ["D", "I"],
                "broker": "UPSTOX",
                "user_id": "SIM001",
                "user_name": "Simulated Trader",
                "order_types": ["MARKET", "LIMIT"],
                "user_type": "individual",
                "poa": False,
                "is_active": True,
                "access_token": self.grant(),
                "extended_token": None,
            }
        )


def error_answer(status: int, code: str, message: str, *, path: str | None = None) -> JSONResponse:
    """Upstox's envelope: ``{"status": "error", "errors": [{errorCode, message, …}]}``."""
    error = {
        "errorCode": code,
        "message": message,
        "propertyPath": path,
        "invalidValue": None,
        "error_code": code,
        "property_path": path,
        "invalid_value": None,
    }
    return JSONResponse({"status": "error", "errors": [error]}, status_code=status)


def closed_answer() -> JSONResponse:
    return error_answer(
        423, "UDAPI100074", "The API is accessible from 5:30 AM to 12:00 AM IST daily."
    )


def _next_end(at: datetime) -> datetime:
    """Return the next 03:30 in India after an instant."""
    local = at.astimezone(INDIA)
    ends_at = datetime.combine(local.date(), ENDS_AT, INDIA)
    return ends_at if local < ends_at else ends_at + timedelta(days=1)


def _token_text(at: datetime, ends_at: datetime) -> str:
    """Return text shaped like a JSON Web Token, as the vendor's are."""
    claims = {
        "sub": "SIM001",
        "jti": secrets.token_hex(12),
        "iat": int(at.timestamp()),
        "iss": "udapi-gateway-service",
        "exp": int(ends_at.timestamp()),
    }
    parts = [
        json.dumps({"typ": "JWT", "alg": "HS256"}).encode(),
        json.dumps(claims).encode(),
        secrets.token_bytes(32),
    ]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
