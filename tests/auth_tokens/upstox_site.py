"""The simulated Upstox of these tests: its log-in site alone, over the real sandbox server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from auth_tokens.sandbox.upstox.access import API_KEY, API_SECRET, UpstoxAccess
from auth_tokens.sandbox.upstox.person import MOBILE, PIN, TOTP_SECRET
from config.core.clock import now
from config.core.sandbox.registry import RegisteredServer, SandboxContext
from config.core.sandbox.server import Sandbox

REDIRECT_URI = "http://127.0.0.1:9/upstox"
CREDENTIALS = {
    "UPSTOX_LOGIN_URL": "",
    "UPSTOX_ANALYTICS_TOKEN": "",
    "UPSTOX_API_KEY": API_KEY,
    "UPSTOX_API_SECRET": API_SECRET,
    "UPSTOX_REDIRECT_URI": REDIRECT_URI,
    "UPSTOX_MOBILE": MOBILE,
    "UPSTOX_TOTP_SECRET": TOTP_SECRET,
    "UPSTOX_PIN": PIN,
}
# Where the API opens at 05:30 in India; a test that logs in at any hour patches it to midnight.
OPENS_AT = "auth_tokens.broker_log_ins.upstox_source.OPENS_AT"
SERVER = RegisteredServer("upstox", "tests.auth_tokens.upstox_site.build_server", "")


@dataclass
class NoMarket:
    """What the sandbox itself needs of a market."""

    frozen: bool = False

    def now(self) -> datetime:
        return now()

    def step(self, seconds: float) -> None:
        raise AssertionError("this clock is not stepped")


def build_server(context: SandboxContext) -> Starlette:
    access = UpstoxAccess()

    def profile(request: Request) -> Response:
        return access.refusal(request) or JSONResponse({"status": "success", "data": {}})

    application = Starlette(routes=[*access.routes(), Route("/v2/user/profile", profile)])
    application.state.access = access
    return application


class UpstoxSite:
    """The running sandbox, with what tests ask of it."""

    def __init__(self) -> None:
        self.sandbox = Sandbox(market=NoMarket(), books=object(), servers=[SERVER], listeners={})
        self.access: UpstoxAccess = self.sandbox.applications["upstox"].state.access

    @property
    def url(self) -> str:
        return self.sandbox.url("upstox")

    def begin(self) -> None:
        """As it was when it started."""
        self.sandbox.faults.clear()
        self.sandbox.faults.forget_requests()
        self.access.person.unlock()
        self.access.person.clock = now
        self.access.person.interval = 30
        self.access.clock = now
        self.access.closed_at_night = False
        self.access.end_all_tokens()
        self.access.log_ins = 0

    def answers_with_page(self, page: str, *, path: str, status: int = 200) -> None:
        """Answer this page instead, from now on."""
        fault: dict[str, Any] = {"status": status, "body": page, "times": None, "path": path}
        self.sandbox.faults.add(**fault, headers={"content-type": "text/html; charset=utf-8"})
