"""An external service of gamma exposure: any JSON endpoint, its fields named by a setting.

``GEX_SERVICE_URL`` holds ``{symbol}``; ``GEX_SERVICE_FIELDS`` maps our names to dotted paths in the
answer (``gamma_exposure=data.net_gex``). The token, if there is one, is sent as a bearer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx
from django.conf import settings

from config.core.clock import market_now
from config.core.errors import MalformedResponse, PermanentError
from config.core.http.caller import HttpCaller
from greeks.providers.decoding import BadRow, parse_float, parse_time

SOURCE: Final = "service"
REQUIRED: Final = ("gamma_exposure", "call_wall", "put_wall")
OPTIONAL: Final = ("spot", "zero_gamma", "absolute_exposure", "vanna_exposure", "charm_exposure")
_TOO_LARGE: Final = 1e16
_TIMESTAMP: Final = "timestamp"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceExposure:
    """What the service says, in its own definition. ``as_of`` is its time, else the answer's."""

    as_of: datetime
    gamma_exposure: float | None
    call_wall: float | None
    put_wall: float | None
    spot: float | None = None
    zero_gamma: float | None = None
    absolute_exposure: float | None = None
    vanna_exposure: float | None = None
    charm_exposure: float | None = None


def fetch_service_exposure(
    symbol: str, *, transport: httpx.BaseTransport | None = None
) -> ServiceExposure:
    """Ask the service for a symbol.

    Raises ``PermanentError`` if it is not set up, ``MalformedResponse`` naming the path whose
    value is missing or is no number, and the errors of every provider call.
    """
    address, fields = settings.GEX_SERVICE_URL, settings.GEX_SERVICE_FIELDS
    if "{symbol}" not in address or any(name not in fields for name in REQUIRED):
        raise PermanentError(
            "GEX_SERVICE_URL needs {symbol}, GEX_SERVICE_FIELDS " + ", ".join(REQUIRED) + ".",
            provider=SOURCE,
        )
    parts = urlsplit(address.replace("{symbol}", quote(symbol, safe="")))
    caller = HttpCaller(
        SOURCE,
        f"{parts.scheme}://{parts.netloc}",
        timeout=settings.PROVIDER_TIMEOUT_SECONDS,
        headers=_headers(),
        attempts=2,
        transport=transport,
    )
    try:
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return _decoded(caller.request_json("GET", path), fields)
    finally:
        caller.close()


def _headers() -> dict[str, str]:
    token = settings.GEX_SERVICE_TOKEN
    return {"Authorization": f"Bearer {token}"} if token else {}


def _decoded(answer: Any, fields: Mapping[str, str]) -> ServiceExposure:
    try:
        numbers = {
            name: _number(answer, fields[name]) for name in (*REQUIRED, *OPTIONAL) if name in fields
        }
        stamp = _value(answer, fields[_TIMESTAMP]) if _TIMESTAMP in fields else None
        as_of = parse_time(stamp, fields.get(_TIMESTAMP, "")) or market_now()
    except BadRow as error:
        raise MalformedResponse(f"{SOURCE}: {error.reason}.", provider=SOURCE) from None
    if numbers["gamma_exposure"] is None:
        path = fields["gamma_exposure"]
        raise MalformedResponse(f"{SOURCE}: {path}: no number there.", provider=SOURCE)
    return ServiceExposure(as_of=as_of, **numbers)


def _number(answer: Any, path: str) -> float | None:
    return parse_float(_value(answer, path), path, limit=_TOO_LARGE)


def _value(answer: Any, path: str) -> Any:
    """Return the value at a dotted path: names of objects, places in lists."""
    value = answer
    for step in path.split("."):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise BadRow(f"{path}: nothing there")
    return value
