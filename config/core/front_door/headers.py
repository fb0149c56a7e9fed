"""Headers of the door's answers, learned from Django's so that both doors send the same."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import count

from config.core.front_door.bodies import Prepared
from config.core.front_door.encodings import IDENTITY
from config.core.front_door.grants import CommonHeaders

_OF_ONE_ANSWER = frozenset(
    {
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"date",
        b"etag",
        b"server",
        b"x-request-id",
    }
)
#: Headers that protect any answer.
_PROTECTING = frozenset(
    {
        b"content-security-policy",
        b"cross-origin-opener-policy",
        b"permissions-policy",
        b"referrer-policy",
        b"strict-transport-security",
        b"x-content-type-options",
        b"x-frame-options",
    }
)
_NO_EXAMPLE = frozenset({b"set-cookie", b"warning"})
_JSON = (b"content-type", b"application/json")
_ACCEPTED_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")

_STATUS_LINES = {200: b"HTTP/1.1 200 OK\r\n", 304: b"HTTP/1.1 304 Not Modified\r\n"}

Wire = list[tuple[bytes, bytes]]


# Equal sets of headers are one object, so that whatever is built from them is built once.
_one_of = lru_cache(64)(CommonHeaders)


def common_headers(headers: Iterable[tuple[bytes, bytes]]) -> CommonHeaders | None:
    """Return the headers common to a resource's answers; ``None`` if this answer cannot tell.

    It was for one person, or is marked stale.
    """
    kept = tuple((name, value) for name, value in headers if name not in _OF_ONE_ANSWER)
    return None if any(name in _NO_EXAMPLE for name, _ in kept) else _one_of(kept)


def protecting(headers: Iterable[tuple[bytes, bytes]]) -> Wire:
    """Return the headers that protect any answer."""
    return [(name, value) for name, value in headers if name in _PROTECTING]


def warning_of_age(common: CommonHeaders) -> CommonHeaders:
    """Return these headers with the one that says that the answer is old (RFC 7234, 5.5)."""
    return _one_of((*common.headers, (b"warning", b'110 - "Response is Stale"')))


class Head:
    """An answer's headers without the request's id, as ASGI messages and as text."""

    __slots__ = ("text", "wire")

    def __init__(self, status: int, wire: Wire) -> None:
        self.wire = wire
        lines = [b"%b: %b\r\n" % header for header in wire]
        self.text = b"".join([_STATUS_LINES[status], *lines])


def head_of(prepared: Prepared, form: str, common: CommonHeaders, status: int) -> Head:
    """Return the head of an answer with the prepared body (200, or 304 without), cached with it."""
    name = (common, form, status)
    head = prepared.heads.get(name)
    if head is None:
        etag = (b"etag", prepared.body.etag(form).encode("ascii"))
        if status == 304:
            wire = [*common.headers, etag, (b"content-length", b"0")]
        else:
            length = str(len(prepared.body.form(form))).encode("ascii")
            wire = [_JSON, *common.headers, etag, (b"content-length", length)]
            if form != IDENTITY:
                wire.append((b"content-encoding", form.encode("ascii")))
        head = prepared.heads[name] = Head(status, wire)
    return head


class RequestIds:
    """Ids for requests without one: unique across processes, made without a system call."""

    def __init__(self) -> None:
        self._process = os.urandom(8).hex().encode("ascii")
        self._numbers = count(int.from_bytes(os.urandom(4)))

    def of(self, offered: bytes) -> bytes:
        """Return the request's own id if Django would accept it, else a new one."""
        if offered and _ACCEPTED_ID.fullmatch(offered):
            return offered
        return b"%b%016x" % (self._process, next(self._numbers))
