"""Parse the headers the front door needs; hand anything unusual to Django. Hot path."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from config.core.front_door.encodings import chosen_form

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
# Browsers keep a site's cookies below this size; a longer one is no session.
_LONGEST_CREDENTIAL = 4096
_LONGEST_CONDITION = 512
_LONGEST_QUERY = 512
_ANSWERED = frozenset({"*/*", "application/*", "application/json"})
# What is shown once, or to whoever logs in.
_NEVER_KEPT = (b"/accounts/", b"/admin/")
_UNUSUAL_FOR_PAGES = (b"authorization", b"range", b"x-forwarded-host", b"x-parts")
# No usual value is longer. Strangers choose the values, so only a few are remembered.
_LONGEST_REMEMBERED = 200
_MOST_REMEMBERED = 256


class Caller(NamedTuple):
    """Everything in a request that decides who asks and whether Django would answer.

    ``credential`` is the raw header: a cookie, or with ``is_token`` a bearer token. For a public
    resource, where identity does not matter, it is the raw query string.
    """

    is_token: bool
    credential: bytes
    host: bytes
    forwarded_scheme: bytes | None
    scheme: str


class Asked(NamedTuple):
    """An ordinary request: caller, accepted form, the client's ETags and request id."""

    caller: Caller
    form: str
    if_none_match: bytes
    request_id: bytes


def read_request(scope: dict[str, Any], *, is_public: bool = False) -> Asked | None:
    """Parse the request; ``None`` for anything the door leaves to Django."""
    query = scope["query_string"]
    if scope["method"] not in _METHODS or (
        query and (not is_public or len(query) > _LONGEST_QUERY)
    ):
        return None
    headers = scope["headers"]
    read: dict[bytes, bytes] = dict(headers)
    if (
        # A repeated header: which one counts cannot be guessed.
        len(read) != len(headers)
        or not _UNUSUAL.isdisjoint(read)
        # Django reads an underscore as a dash, so the door would read a different header.
        or b"_" in b"".join(read)
    ):
        return None
    get = read.get
    accept = get(b"accept", b"*/*")
    accept_encoding = get(b"accept-encoding", b"")
    if_none_match = get(b"if-none-match", b"")
    if is_public:
        token, credential = None, query
    else:
        token = get(b"authorization")
        credential = get(b"cookie", b"") if token is None else token
    # Django treats a missing and an empty one differently: it answers or refuses itself.
    host = get(b"host")
    if (
        not host
        or len(credential) > _LONGEST_CREDENTIAL
        or len(accept) > _LONGEST_REMEMBERED
        or len(accept_encoding) > _LONGEST_REMEMBERED
        or len(if_none_match) > _LONGEST_CONDITION
        or not _accepts_json(accept)
    ):
        return None
    caller = (
        token is not None,
        credential,
        host,
        get(b"x-forwarded-proto"),
        scope["scheme"],
    )
    # As the classes' own constructors do, without the call that costs more than the tuple.
    return tuple.__new__(
        Asked,
        (
            tuple.__new__(Caller, caller),
            _form_for(accept_encoding),
            if_none_match,
            get(b"x-request-id", b""),
        ),
    )


def page_caller(scope: dict[str, Any]) -> Caller | None:
    """Return who asks for a whole page; ``None`` for anything else."""
    if scope["method"] != "GET" or scope["raw_path"].startswith(_NEVER_KEPT):
        return None
    headers: dict[bytes, bytes] = dict(scope["headers"])
    cookie, host = headers.get(b"cookie", b""), headers.get(b"host", b"")
    if (
        len(headers) != len(scope["headers"])
        or not 0 < len(cookie) <= _LONGEST_CREDENTIAL
        or not host
        or len(scope["query_string"]) + len(scope["raw_path"]) > _LONGEST_CREDENTIAL
        or b"text/html" not in headers.get(b"accept", b"")
        or any(name in headers for name in _UNUSUAL_FOR_PAGES)
    ):
        return None
    return Caller(False, cookie, host, headers.get(b"x-forwarded-proto"), scope["scheme"])


@lru_cache(_MOST_REMEMBERED)
def _form_for(accept_encoding: bytes) -> str:
    return chosen_form(accept_encoding.decode("latin-1"))


@lru_cache(_MOST_REMEMBERED)
def _accepts_json(accept: bytes) -> bool:
    """Whether Django would answer JSON: one plain mention of it, whatever else is listed."""
    offers = [offer.partition(";") for offer in accept.decode("latin-1").split(",")]
    return any(
        kind.strip().lower() in _ANSWERED and not parameters.strip()
        for kind, _, parameters in offers
    )
