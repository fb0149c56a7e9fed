"""The web server's side of the door: a whole prepared answer in one write.

An ASGI server inspects every header of every answer, which costs more than everything the door
does. Ours has an extension that takes a head assembled once. Under any other server the door sends
ordinary ASGI messages: the same bytes, a third slower (docs/decisions/0023). It uses uvicorn's
internals, so it is only enabled for the releases it was tested with (``targets``).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: In ``scope["extensions"]``: ``write(head, last_line, body) -> bool``. ``head`` is the status line
#: and header lines, each ended; ``False``: nothing was written, send messages instead.
EXTENSION = "greekdesk.prepared"
# Up to here one write with a copy is cheaper than two without.
_COPIED_BYTES = 32_768


class DeskHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with the extension."""

    def _start_asgi_task(
        self, cycle: RequestResponseCycle, app: Callable[..., Awaitable[None]]
    ) -> None:
        scope: dict[str, Any] = cycle.scope  # type: ignore[assignment]
        scope["extensions"] = {EXTENSION: partial(write_prepared, cycle)}
        super()._start_asgi_task(cycle, app)


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
