"""The simulated Flex Web Service: reference codes, statements that take a while, error codes."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from datetime import date, datetime, timedelta
from typing import Final
from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from config.core.sandbox.registry import SandboxContext
from portfolio.domain import Broker
from portfolio.sandbox.ibkr_flex.statement import statement

TOKEN: Final = "simulated-flex-token"  # noqa: S105
EXPIRED_TOKEN: Final = "simulated-flex-token-of-last-year"  # noqa: S105
QUERY_ID: Final = "900001"
LONGEST_DAYS: Final = 365
#: A statement is asked for this often before it is there.
_QUESTIONS_BEFORE: Final = 2
_CALLS_A_MINUTE: Final = 10
_MESSAGES: Final = {
    "1003": "Statement is not available.",
    "1012": "Token has expired.",
    "1014": "Query is invalid.",
    "1015": "Token is invalid.",
    "1017": "Reference code is invalid.",
    "1018": "Too many requests have been made from this token. Please try again shortly.",
    "1019": "Statement generation in progress. Please try again shortly.",
    "1020": "Invalid request or unable to validate request.",
}


class FlexServer:
    """Handlers of one running service: the references it gave out are its own state."""

    def __init__(self, context: SandboxContext) -> None:
        self.context = context
        self._lock = threading.Lock()
        self._asked: dict[str, tuple[date, date]] = {}
        self._questions: dict[str, int] = {}
        self._calls: deque[float] = deque()

    def send_request(self, request: Request) -> Response:
        """``SendRequest?t=TOKEN&q=QUERY&v=3&fd=…&td=…``."""
        query = request.query_params
        if code := self._refusal(request):
            return self._message("Fail", code)
        if query.get("q") != QUERY_ID:
            return self._message("Fail", "1014")
        today = self.context.market.now().date()
        start = _day(query.get("fd")) or today - timedelta(days=30)
        end = _day(query.get("td")) or today
        if not start <= end or (end - start).days >= LONGEST_DAYS:
            return self._message("Fail", "1020")
        with self._lock:
            reference = str(7_000_000_000 + len(self._asked))
            self._asked[reference] = (start, end)
        address = f"http://{request.url.netloc}{request.scope['root_path']}/GetStatement"
        return self._xml(
            f"<Status>Success</Status><ReferenceCode>{reference}</ReferenceCode>"
            f"<Url>{escape(address)}</Url>"
        )

    def get_statement(self, request: Request) -> Response:
        """``GetStatement?t=TOKEN&q=REFERENCE&v=3``."""
        if code := self._refusal(request):
            return self._message("Fail", code)
        reference = request.query_params.get("q", "")
        with self._lock:
            days = self._asked.get(reference)
            self._questions[reference] = self._questions.get(reference, 0) + 1
            number = self._questions[reference]
        if days is None:
            return self._message("Fail", "1017")
        if number <= _QUESTIONS_BEFORE:
            return self._message("Warn", "1019")
        accounts = self.context.books.accounts_at(Broker.IBKR)
        body = statement(accounts, *days, at=self.context.market.now())
        return Response(body, media_type="text/xml")

    def _refusal(self, request: Request) -> str:
        query = request.query_params
        if "user-agent" not in request.headers or query.get("v") != "3":
            return "1020"
        if query.get("t") == EXPIRED_TOKEN:
            return "1012"
        if query.get("t") != TOKEN:
            return "1015"
        with self._lock:
            at = time.monotonic()
            while self._calls and self._calls[0] <= at - 60.0:
                self._calls.popleft()
            if self.context.limits and len(self._calls) >= _CALLS_A_MINUTE:
                return "1018"
            self._calls.append(at)
        return ""

    def _message(self, status: str, code: str) -> Response:
        return self._xml(
            f"<Status>{status}</Status><ErrorCode>{code}</ErrorCode>"
            f"<ErrorMessage>{_MESSAGES[code]}</ErrorMessage>"
        )

    def _xml(self, content: str) -> Response:
        stamp = f"{self.context.market.now():%d %B, %Y %I:%M %p} UTC"
        body = f"<FlexStatementResponse timestamp='{stamp}'>{content}</FlexStatementResponse>"
        return Response(body, media_type="text/xml")


def _day(text: str | None) -> date | None:
    if not text or not re.fullmatch(r"\d{8}", text, re.ASCII):
        return None
    try:
        return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return None


def build_server(context: SandboxContext) -> Starlette:
    """Return the ASGI application."""
    server = FlexServer(context)
    return Starlette(
        routes=[
            Route("/SendRequest", server.send_request),
            Route("/GetStatement", server.get_statement),
        ]
    )
