"""IBKR's Flex Web Service, version 3: ask for a statement, then fetch it where it was made.

``SendRequest`` answers a reference code and the address to ask; ``GetStatement`` there answers the
statement, or that it is still being made. Failures come with status 200 and a code. Protocol
source: IBKR, Flex Web Service. Reads only.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from django.conf import settings

from auth_tokens.broker_tokens.manager import get_token, renew_token
from config.core.errors import (
    MalformedResponse,
    PermanentError,
    ProviderError,
    RateLimitedError,
    RetryableError,
    UnauthorisedError,
)
from config.core.http.budget import CallBudget
from config.core.http.caller import HttpCaller
from config.core.http.responses import Answer
from config.core.redaction import redact_text

PROVIDER: Final = "ibkr_flex"
#: Longest span of one statement.
MAXIMUM_DAYS: Final = 365
#: Calls of one token: limit, seconds.
WINDOWS: Final = ((1, 1.0), (10, 60.0))
_LARGEST_STATEMENT: Final = 200_000_000
#: A statement of a year takes its time on the way.
_TIMEOUT_SECONDS: Final = 60.0
_VENDOR_HOSTS: Final = (".interactivebrokers.com", ".ibkr.com")
_STATEMENT: Final = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?><!--.*?-->\s*)*+<FlexQueryResponse\b", re.S
)
#: Not ready, incomplete, under heavy load: ask again shortly.
_WAITING_CODES: Final = frozenset(
    {"1001", "1004", "1005", "1006", "1007", "1008", "1009", "1019", "1021"}
)
_THROTTLED: Final = "1018"
_REFUSED_TOKEN: Final = frozenset({"1012", "1013", "1015"})
#: What to do about refusals that no wait mends.
_ADVICE: Final = {
    "1003": "There is no statement of these days yet.",
    "1010": "Make the query anew as an Activity Flex Query.",
    "1011": "Switch the Flex Web Service on in the Client Portal.",
    "1014": "Check IBKR_FLEX_QUERY_ID.",
    "1016": "Check the accounts of the query.",
}
_FIRST_PAUSE, _LONGEST_PAUSE, _THROTTLED_PAUSE = 1.0, 10.0, 10.0


@dataclass(frozen=True, slots=True)
class _Reply:
    """A short answer of the service."""

    reference: str
    address: str
    code: str
    message: str


class FlexClient:
    """Fetches statements of one query. Close it after use."""

    def __init__(
        self,
        *,
        url: str,
        query_id: str,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._query_id = query_id
        self._url = url
        self._pause = pause or threading.Event().wait
        self._callers: dict[str, HttpCaller] = {}

    def fetch_statement(self, start: date, end: date, *, patience: float) -> bytes:
        """Return the statement (XML) of the days, both included, at most ``MAXIMUM_DAYS``.

        Waits at most ``patience`` seconds for the service to make it.

        Raises:
            UnauthorisedError: the token has expired or is refused; an operator must replace it.
            RetryableError, RateLimitedError: it was not ready in time.
            PermanentError: the service refuses the query; the message says what to change.
        """
        token = get_token(PROVIDER)
        try:
            return self._fetch(token, start, end, patience)
        except UnauthorisedError:
            token = renew_token(PROVIDER, refused=token)
            return self._fetch(token, start, end, patience)

    def close(self) -> None:
        for caller in self._callers.values():
            caller.close()

    def _fetch(self, token: str, start: date, end: date, patience: float) -> bytes:
        patient = _Patience(patience, self._pause)
        days = {"fd": f"{start:%Y%m%d}", "td": f"{end:%Y%m%d}"}
        address = f"{self._url}/SendRequest"
        arguments = {"t": token, "q": self._query_id, "v": "3", **days}
        while True:
            reply = self._ask(address, arguments)
            if isinstance(reply, bytes):
                return reply
            if reply.reference:
                address = self._checked(reply.address)
                arguments = {"t": token, "q": reply.reference, "v": "3"}
            else:
                patient.wait(reply)

    def _ask(self, address: str, arguments: dict[str, str]) -> bytes | _Reply:
        caller, path = self._caller(address)
        return caller.request(
            "GET",
            path,
            read=_read,
            headers={"Accept": "*/*"},
            params=arguments,
            maximum_bytes=_LARGEST_STATEMENT,
        )

    def _caller(self, address: str) -> tuple[HttpCaller, str]:
        parts = urlsplit(address)
        base = f"{parts.scheme}://{parts.netloc}"
        if base not in self._callers:
            self._callers[base] = HttpCaller(
                PROVIDER, base, timeout=_TIMEOUT_SECONDS, budgets={"": call_budgets()}
            )
        return self._callers[base], parts.path

    def _checked(self, address: str) -> str:
        """Return the address to ask; the token goes to no host but the vendor's."""
        asked, own = urlsplit(address), urlsplit(self._url)
        is_vendors = asked.scheme == "https" and (asked.hostname or "").endswith(_VENDOR_HOSTS)
        if (asked.scheme, asked.netloc) != (own.scheme, own.netloc) and not is_vendors:
            raise MalformedResponse(
                "ibkr_flex: the statement is said to be at a host that is not IBKR's.",
                provider=PROVIDER,
            )
        return address


class _Patience:
    """Waits between questions, longer each time, until none is left."""

    def __init__(self, seconds: float, pause: Callable[[float], object]) -> None:
        self._ends_at = time.monotonic() + seconds
        self._next = _FIRST_PAUSE
        self._pause = pause

    def wait(self, reply: _Reply) -> None:
        error = _failure(reply)
        if not isinstance(error, (RetryableError, RateLimitedError)):
            raise error
        seconds = _THROTTLED_PAUSE if reply.code == _THROTTLED else self._next
        if time.monotonic() + seconds > self._ends_at:
            raise error
        self._pause(seconds)
        self._next = min(2 * self._next, _LONGEST_PAUSE)


def call_budgets() -> list[CallBudget]:
    """Return the vendor's limits for one token, shared by all processes."""
    return [
        CallBudget(f"{PROVIDER}.{seconds:g}s", limit=limit, seconds=seconds)
        for limit, seconds in WINDOWS
    ]


def open_flex() -> FlexClient:
    """Open the client that the settings describe. Raises ``UnauthorisedError`` without them."""
    if not settings.IBKR_FLEX_QUERY_ID:
        raise UnauthorisedError(
            "The Flex Web Service is not connected: set IBKR_FLEX_TOKEN and IBKR_FLEX_QUERY_ID.",
            provider=PROVIDER,
        )
    return FlexClient(url=settings.IBKR_FLEX_URL, query_id=settings.IBKR_FLEX_QUERY_ID)


def _read(answer: Answer) -> bytes | _Reply:
    if _STATEMENT.match(answer.body[:4096]):
        return answer.body
    try:
        root = fromstring(answer.body[:65_536], forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError):
        raise MalformedResponse(
            f"{answer.what}: the answer is not XML.", provider=PROVIDER
        ) from None
    if root.tag != "FlexStatementResponse":
        raise MalformedResponse(
            f"{answer.what}: the answer is no statement and no message.", provider=PROVIDER
        )
    found = {child.tag: (child.text or "").strip() for child in root}
    succeeded = found.get("Status") == "Success"
    return _Reply(
        reference=found.get("ReferenceCode", "") if succeeded else "",
        address=found.get("Url", ""),
        code=found.get("ErrorCode", ""),
        message=redact_text(found.get("ErrorMessage", ""))[:200],
    )


def _failure(reply: _Reply) -> ProviderError:
    """Return what a code means for the caller."""
    told = f"The Flex Web Service answers {reply.code or 'no code'}: {reply.message}"
    if reply.code in _REFUSED_TOKEN:
        return UnauthorisedError(told, provider=PROVIDER)
    if reply.code == _THROTTLED:
        return RateLimitedError(told, provider=PROVIDER, retry_after=60.0)
    if reply.code in _WAITING_CODES:
        return RetryableError(told, provider=PROVIDER)
    return PermanentError(f"{told} {_ADVICE.get(reply.code, '')}".strip(), provider=PROVIDER)
