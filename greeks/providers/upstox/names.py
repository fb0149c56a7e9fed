"""Upstox's names for things, and its error codes.

An underlying's key is ``SEGMENT|Name`` (``NSE_INDEX|Nifty 50``), a contract's ``NSE_FO|51059``.
Source: the vendor's documentation, "Instruments" and "Error codes".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from config.core.clock import now
from config.core.errors import (
    ForbiddenError,
    ProviderClosed,
    ProviderError,
    RateLimitedError,
    UnauthorisedError,
)
from greeks.domain import GreeksSource

SOURCE: Final = GreeksSource.UPSTOX.value
CURRENCY: Final = "INR"
#: Upstox keys of the indices whose options the desk names by symbol; ``NIFTY50`` and ``NSEFIN`` are
#: IBKR's.
INDEX_KEYS: Final[Mapping[str, str]] = {
    "NIFTY": "NSE_INDEX|Nifty 50",
    "NIFTY50": "NSE_INDEX|Nifty 50",
    "BANKNIFTY": "NSE_INDEX|Nifty Bank",
    "FINNIFTY": "NSE_INDEX|Nifty Fin Service",
    "NSEFIN": "NSE_INDEX|Nifty Fin Service",
    "MIDCPNIFTY": "NSE_INDEX|NIFTY MID SELECT",
    "NIFTYNXT50": "NSE_INDEX|Nifty Next 50",
    "SENSEX": "BSE_INDEX|SENSEX",
    "BANKEX": "BSE_INDEX|BANKEX",
}
_INDIA: Final = ZoneInfo("Asia/Kolkata")
OPENS_AT: Final = time(5, 30)
#: Outside 05:30 to midnight in India only these come back, for every call and for log-ins.
_CLOSED_CODES: Final = frozenset({"UDAPI100072", "UDAPI100074"})
_REFUSED_TOKEN_CODES: Final = frozenset({"UDAPI100050"})
_TOO_MANY_CODES: Final = frozenset({"UDAPI10005"})
#: An extended (analytics) token does not open this.
_NOT_PERMITTED_CODES: Final = frozenset({"UDAPI100067"})


class _Failure(msgspec.Struct):
    code: str = msgspec.field(default="", name="errorCode")


class _Failures(msgspec.Struct):
    errors: list[_Failure] = []


def explain(status: int, body: bytes, message: str) -> ProviderError | None:
    """Map a refusal by the vendor's own code; ``None`` if the status says enough."""
    try:
        errors = msgspec.json.decode(body, type=_Failures).errors
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    code = errors[0].code if errors else ""
    if code in _CLOSED_CODES:
        return closed(seconds_until_open(now()))
    if code in _REFUSED_TOKEN_CODES:
        return UnauthorisedError(message, provider=SOURCE)
    if code in _NOT_PERMITTED_CODES:
        return ForbiddenError(message, provider=SOURCE)
    if code in _TOO_MANY_CODES and status != 429:
        return RateLimitedError(message, provider=SOURCE)
    return None


def closed(seconds: float) -> ProviderClosed:
    return ProviderClosed(
        "Upstox is closed from midnight until 05:30 IST.",
        provider=SOURCE,
        retry_after=seconds,
    )


def seconds_until_open(at: datetime) -> float:
    """Return seconds until the next 05:30 in India; at most a day."""
    local = at.astimezone(_INDIA)
    opens_at = datetime.combine(local.date(), OPENS_AT, _INDIA)
    if opens_at <= local:
        opens_at += timedelta(days=1)
    return (opens_at - local).total_seconds()
