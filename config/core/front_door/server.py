"""The web server's side of the door: deadlines, a limit for heads, whole answers in one write.

An ASGI server inspects every header of every answer, which costs more than everything the door
does. Ours has an extension that takes a head assembled once. Under any other server the door sends
ordinary ASGI messages: the same bytes, a third slower (docs/decisions/0023). It uses uvicorn's
internals, so it is only enabled for the releases it was tested with (``targets``).

A client that is slow to send a request or to take an answer is cut off; what a slow body may cost
is bounded in ``config.core.serving``.
"""

from __future__ import annotations

import asyncio
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: In ``scope["extensions"]``: ``write(head, last_line, body) -> bool``. ``head`` is the status line
#: and header lines, each ended; ``False``: nothing was written, send messages instead.
EXTENSION = "greekdesk.prepared"
#: Bytes of a request's head: address and headers. More get 431 (RFC 6585).
HEAD_BYTES = 65_536
# Of the request line and the empty line, beside the address: "GET  HTTP/1.1" and two line ends.
_REQUEST_LINE_BYTES = 17
#: Escapes in a request's cookies: until Python 3.11.10 reading them takes the square of their
#: number, and none of ours has one. More get 431 too.
COOKIE_ESCAPES = 100
#: What may come beside the bytes of a body: sizes of chunks, their extensions, trailers.
FRAMING_BYTES = 1_048_576
#: Seconds until a new connection has sent a whole head, and one that was answered its next one.
FIRST_HEAD_SECONDS = 10.0
NEXT_HEAD_SECONDS = 15.0
#: Seconds a client may leave written bytes untaken.
UNREAD_SECONDS = 60.0
_LOOK_SECONDS = 5.0
# Up to here one write with a copy is cheaper than two without.
_COPIED_BYTES = 32_768


class HeadTooLarge(Exception):
    """The head, or what frames the body, is refused with 431; the connection ends."""


class DeskHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with the extension, deadlines and a limit for heads.

    Deadlines are looked at every few seconds by one timer a connection: a timer a request, as
    uvicorn's keep-alive has it, costs more than the rest of what is here.
    """

    _due = inf
    _paused_at = inf
    _head_bytes = 0
    _framing_bytes = 0
    _read_bytes = 0
    _is_in_head = False
    _is_too_large = False
    _looking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._due = self.loop.time() + FIRST_HEAD_SECONDS
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_looking()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._stop_looking()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        self._read_bytes = len(data)
        if self._is_in_head:
            self._head_bytes += len(data)
        else:
            self._framing_bytes += len(data)
        super().data_received(data)
        if self._is_too_large:
            return
        if self._framing_bytes > FRAMING_BYTES or (
            self._is_in_head and self._head_bytes > HEAD_BYTES
        ):
            self._is_too_large = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        self._is_in_head = True
        # Heads and bodies may come in one read: what of it is left counts.
        self._head_bytes = self._framing_bytes = self._read_bytes
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Drop a trailer: after the proxy's own headers a client could add to them (RFC 9110,
        6.5.1)."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._framing_bytes -= len(body)
        self._read_bytes -= len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        # Four bytes a header are its colon, blank and line end.
        size = len(self.url) + 4 * len(self.headers)
        escapes = 0
        for name, value in self.headers:
            size += len(name) + len(value)
            if name == b"cookie":
                escapes += value.count(b"\\")
        if size > HEAD_BYTES or escapes > COOKIE_ESCAPES:
            self._is_too_large = True
            # The parser reports it as its own error, which ends in ``send_400_response``.
            raise HeadTooLarge
        self._read_bytes = max(self._read_bytes - size - _REQUEST_LINE_BYTES, 0)
        self._due = inf
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        if not self._is_too_large:
            super().send_400_response(msg)
            return
        text = b"The head of the request is larger than is read here."
        length = str(len(text)).encode("ascii")
        self.transport.write(
            b"".join(
                (
                    STATUS_LINE[431],
                    b"content-type: text/plain; charset=utf-8\r\n",
                    b"content-length: " + length + b"\r\nconnection: close\r\n\r\n",
                    text,
                )
            )
        )
        self.transport.close()

    def on_response_complete(self) -> None:
        """As uvicorn's, with a deadline in place of its timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._due = self.loop.time() + NEXT_HEAD_SECONDS

    def pause_writing(self) -> None:
        self._paused_at = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._paused_at = inf
        super().resume_writing()

    def _start_asgi_task(
        self, cycle: RequestResponseCycle, app: Callable[..., Awaitable[None]]
    ) -> None:
        scope: dict[str, Any] = cycle.scope  # type: ignore[assignment]
        scope["extensions"] = {EXTENSION: partial(write_prepared, cycle)}
        super()._start_asgi_task(cycle, app)

    def _look_later(self) -> None:
        self._looking = self.loop.call_later(_LOOK_SECONDS, self._look)

    def _stop_looking(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def _look(self) -> None:
        """End a connection that is past a deadline."""
        moment = self.loop.time()
        if moment >= self._due or moment - self._paused_at >= UNREAD_SECONDS:
            # ``close`` would wait until the client takes what was written.
            self.transport.abort()
        else:
            self._look_later()


def write_prepared(cycle: RequestResponseCycle, head: bytes, last_line: bytes, body: bytes) -> bool:
    """Write a whole answer and end it, as ``RequestResponseCycle.send`` does for messages."""
    if cycle.flow.write_paused or cycle.response_started:
        # A client that does not read is waited for, which only ``send`` can do.
        return False
    if cycle.disconnected:
        return True
    lines = [head]
    for name, value in cycle.default_headers:
        lines += (name, b": ", value, b"\r\n")
    if not cycle.keep_alive:
        lines.append(b"connection: close\r\n")
    lines += (last_line, b"\r\n")
    if cycle.scope["method"] == "HEAD":
        body = b""
    cycle.response_started = True
    cycle.waiting_for_100_continue = False
    if len(body) <= _COPIED_BYTES:
        lines.append(body)
        cycle.transport.write(b"".join(lines))
    else:
        cycle.transport.write(b"".join(lines))
        cycle.transport.write(body)
    cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
