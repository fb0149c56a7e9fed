"""Scripted per-request faults: a provider's bad day, on demand and repeatable."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApplication = Callable[[Scope, Receive, Send], Awaitable[None]]

LONGEST_LOG = 20_000


@dataclass(slots=True, kw_only=True)
class Fault:
    """One scripted fault. Empty ``server``, ``method`` or ``path`` matches anything.

    ``path`` is a regular expression searched in the path below the server's mount. The fault acts
    on matching requests from number ``after`` on (0 = the first), ``times`` times (None: always).
    In order, it waits ``delay`` seconds; answers ``status`` with ``headers`` and ``body`` instead
    of the server (or, with ``keep_body``, overwrites only status and headers); puts values at JSON
    pointers (``replace``; ``*`` means every item); keeps only ``truncate`` bytes; drops the
    connection (``disconnect``).
    """

    server: str = ""
    method: str = ""
    path: str = ""
    after: int = 0
    times: int | None = 1
    delay: float = 0.0
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    keep_body: bool = False
    replace: Mapping[str, Any] = field(default_factory=dict)
    truncate: int | None = None
    disconnect: bool = False
    seen: int = 0
    acted: int = 0

    def __post_init__(self) -> None:
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path: {self.path!r} is not a regular expression: {error}") from None

    def matches(self, server: str, method: str, path: str) -> bool:
        return (
            self.server in ("", server)
            and self.method.upper() in ("", method)
            and re.search(self.path, path) is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """A request the sandbox answered, without headers and bodies, which hold secrets."""

    server: str
    method: str
    path: str
    query: str
    status: int | None
    faulted: bool


class CountedFault(Protocol):
    """A fault that acts on some of what it matches."""

    after: int
    times: int | None
    seen: int
    acted: int


AnyFault = TypeVar("AnyFault", bound=CountedFault)


def take_due(matching: Iterable[AnyFault]) -> AnyFault | None:
    """Return the first fault whose turn it is. Every one of them counts what it matched."""
    chosen: AnyFault | None = None
    for fault in matching:
        fault.seen += 1
        due = fault.seen > fault.after and (fault.times is None or fault.acted < fault.times)
        if due and chosen is None:
            fault.acted += 1
            chosen = fault
    return chosen


class FaultScript:
    """The active faults and the request log. Safe to change while serving."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._requests: deque[LoggedRequest] = deque(maxlen=LONGEST_LOG)

    def add(self, **fields: Any) -> Fault:
        """Add a fault with the fields of :class:`Fault`. The newest acts first."""
        fault = Fault(**fields)
        with self._lock:
            self._faults.insert(0, fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def take(self, server: str, method: str, path: str) -> Fault | None:
        """Return the fault for this request, if any. Every matching fault counts the request."""
        with self._lock:
            return take_due(fault for fault in self._faults if fault.matches(server, method, path))

    def record(self, request: LoggedRequest) -> None:
        with self._lock:
            self._requests.append(request)

    def requests(self, *, server: str = "", path: str = "") -> list[LoggedRequest]:
        """Return logged requests, oldest first; ``path`` is a regular expression."""
        with self._lock:
            logged = list(self._requests)
        return [
            request
            for request in logged
            if server in ("", request.server) and re.search(path, request.path)
        ]

    def forget_requests(self) -> None:
        with self._lock:
            self._requests.clear()


class FaultMiddleware:
    """Wraps one mounted server: logs each request and applies the script to its response."""

    def __init__(self, application: AsgiApplication, *, server: str, faults: FaultScript) -> None:
        self._application = application
        self._server = server
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        method = scope["method"]
        fault = self._faults.take(self._server, method, path)
        status: int | None = None
        try:
            if fault is None:

                async def watched(message: Message) -> None:
                    nonlocal status
                    if message["type"] == "http.response.start":
                        status = message["status"]
                    await send(message)

                await self._application(scope, receive, watched)
            else:
                status = await self._answer_with(fault, scope, receive, send)
        finally:
            self._faults.record(
                LoggedRequest(
                    server=self._server,
                    method=method,
                    path=path,
                    query=scope["query_string"].decode("latin-1"),
                    status=status,
                    faulted=fault is not None,
                )
            )

    async def _answer_with(
        self, fault: Fault, scope: Scope, receive: Receive, send: Send
    ) -> int | None:
        if fault.delay:
            await asyncio.sleep(fault.delay)
        status: int | None = None
        if fault.status is not None and not fault.keep_body:
            headers, body = {"content-type": "application/json"}, _encode(fault.body)
        else:
            status, headers, body = await self._ask_server(scope, receive)
            if fault.body is not None:
                body = _encode(fault.body)
        status = fault.status or status
        if fault.replace:
            document = json.loads(body)
            for pointer, value in fault.replace.items():
                document = put_at(document, pointer, value)
            body = json.dumps(document).encode()
        if fault.truncate is not None:
            body = body[: fault.truncate]
        headers |= {name.lower(): value for name, value in fault.headers.items()}
        # Closing before the promised length looks like a dropped connection.
        length = len(body) + 1 if fault.disconnect else len(body)
        headers["content-length"] = str(length)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()],
            }
        )
        if fault.disconnect:
            body, status = body[: len(body) // 2], None
        await send({"type": "http.response.body", "body": body, "more_body": fault.disconnect})
        return status

    async def _ask_server(
        self, scope: Scope, receive: Receive
    ) -> tuple[int, dict[str, str], bytes]:
        status = 500
        headers: dict[str, str] = {}
        chunks: list[bytes] = []

        async def collect(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = {
                    name.decode("latin-1").lower(): value.decode("latin-1")
                    for name, value in message.get("headers", [])
                }
            elif message["type"] == "http.response.body":
                chunks.append(message.get("body", b""))

        await self._application(scope, receive, collect)
        return status, headers, b"".join(chunks)


def _encode(body: Any) -> bytes:
    """Send text as is (HTML with 200, half JSON); anything else as JSON, NaN included."""
    if body is None:
        return b""
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def put_at(document: Any, pointer: str, value: Any) -> Any:
    """Return the document with ``value`` at the JSON pointer (RFC 6901); ``*`` is every member.

    Raises ValueError if the pointer leads nowhere, so a test cannot fault nothing.
    """
    if pointer == "":
        return value
    head, _, rest = pointer.removeprefix("/").partition("/")
    rest = f"/{rest}" if rest else ""
    name = head.replace("~1", "/").replace("~0", "~")
    if isinstance(document, dict):
        names = list(document) if name == "*" else [name]
        for key in names:
            if rest and key not in document:
                raise ValueError(f"{pointer}: no {key!r} there")
            document[key] = put_at(document.get(key), rest, value)
        return document
    if isinstance(document, list):
        if name == "-" and not rest:
            document.append(value)
            return document
        places = range(len(document)) if name == "*" else [int(name)]
        for place in places:
            if place >= len(document):
                raise ValueError(f"{pointer}: the list ends before {place}")
            document[place] = put_at(document[place], rest, value)
        return document
    raise ValueError(f"{pointer}: {type(document).__name__} has no members")
