"""What of a request the door reads, and what makes it unusual."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from config.core.front_door.encodings import USUAL_LENGTH, chosen_form

_READ = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"authorization",
        b"cookie",
        b"host",
        b"if-none-match",
        b"x-forwarded-proto",
        b"x-request-id",
    }
)
_UNUSUAL = frozenset(
    {
        b"content-length",
        b"content-type",
        b"expect",
        b"if-match",
        b"if-modified-since",
        b"if-range",
        b"if-unmodified-since",
        b"range",
        b"transfer-encoding",
        b"upgrade",
        b"x-forwarded-host",
        b"x-http-method-override",
    }
)
_METHODS = frozenset({"GET", "HEAD"})
# Browsers keep a site's cookies below this; more is nobody's session.
_LONGEST_CREDENTIAL = 4096
_LONGEST_CONDITION = 512
_ANSWERED = frozenset({"*/*", "application/*", "application/json"})


class Caller(NamedTuple):
    """Everything of a request that decides who asks and whether Django would answer.

    ``credential`` is the header as it came: a cookie, or a bearer token with ``is_token``.
    """

    is_token: bool
    credential: bytes
    host: bytes
    forwarded_scheme: bytes
    scheme: str


@dataclass(slots=True)
class Asked:
    """An ordinary request."""

    caller: Caller
    form: str
    if_none_match: bytes
    request_id: bytes


def read_request(scope: dict[str, Any]) -> Asked | None:
    """What is asked, or ``None`` for anything that the door leaves to Django."""
    if scope["query_string"] or scope["method"] not in _METHODS:
        return None
    read: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _READ:
            if name in read:
                return None
            read[name] = value
        elif name in _UNUSUAL or b"_" in name:
            # To Django an underscore is a dash: the door would read another header than it does.
            return None
    get = read.get
    accept_encoding = get(b"accept-encoding", b"")
    if_none_match = get(b"if-none-match", b"")
    if (
        ((accept := get(b"accept")) is not None and not _accepts_json(accept))
        or len(accept_encoding) > USUAL_LENGTH
        or len(if_none_match) > _LONGEST_CONDITION
    ):
        return None
    token = get(b"authorization")
    credential = get(b"cookie", b"") if token is None else token
    if len(credential) > _LONGEST_CREDENTIAL:
        return None
    return Asked(
        Caller(
            token is not None,
            credential,
            get(b"host", b""),
            get(b"x-forwarded-proto", b""),
            scope["scheme"],
        ),
        chosen_form(accept_encoding.decode("latin-1")),
        if_none_match,
        get(b"x-request-id", b""),
    )


def _accepts_json(accept: bytes) -> bool:
    return accept == b"*/*" or (len(accept) <= USUAL_LENGTH and _names_json(accept))


@lru_cache(maxsize=64)
def _names_json(accept: bytes) -> bool:
    """Whether Django's answer would be JSON. One plain mention of it is enough; others wait."""
    for offer in accept.decode("latin-1").split(","):
        kind, _, parameters = offer.partition(";")
        if kind.strip().lower() in _ANSWERED and not parameters.strip():
            return True
    return False
