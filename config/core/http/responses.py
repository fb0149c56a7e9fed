"""Read a provider's answer: bounded, strict about JSON, silent about secrets."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import msgspec

from config.core.clock import now
from config.core.errors import MalformedResponse, RetryableError
from config.core.redaction import redact_text

_LONGEST_MESSAGE = 200
NOT_MODIFIED = 304


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer without a failure. Header names are in lower case.

    ``status`` is 304, with an empty body, if the call's condition held and the caller's copy is
    still current. ``what`` names the call in errors.
    """

    provider: str
    what: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the decoded body; ``None`` for 204. Raises ``MalformedResponse``."""
        if self.status == 204:
            return None
        return parse_json(
            self.body,
            provider=self.provider,
            what=self.what,
            content_type=self.headers.get("content-type", ""),
        )


def read_body(
    response: httpx.Response, *, provider: str, what: str, maximum_bytes: int, deadline: float
) -> bytes:
    """Return the decompressed body, at most ``maximum_bytes``, read before ``deadline``
    (monotonic).

    Raises ``MalformedResponse`` if it is larger, ``RetryableError`` if it arrives too slowly.
    """
    chunks: list[bytes] = []
    size = 0
    # No chunk size: with one, httpx would wait until a chunk is full.
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > maximum_bytes:
            raise MalformedResponse(
                f"{what}: the answer is larger than {maximum_bytes} bytes.", provider=provider
            )
        if time.monotonic() > deadline:
            raise RetryableError(f"{what}: the answer came too slowly.", provider=provider)
        chunks.append(chunk)
    return b"".join(chunks)


def parse_json(body: bytes, *, provider: str, what: str, content_type: str) -> Any:
    """Decode JSON. ``NaN`` and ``Infinity`` become floats, which adapters turn into ``None``.

    Raises ``MalformedResponse`` for anything but one complete JSON document in UTF-8.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass
    try:
        value = json.loads(body.decode("utf-8"))
        # The database would refuse a lone surrogate much later.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        kind = re.sub(r"[^\w/+.-]", "", content_type.split(";")[0])[:40] or "no content type"
        raise MalformedResponse(
            f"{what}: the answer is not JSON ({kind}, {len(body)} bytes).", provider=provider
        ) from None
    return value


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return ``Retry-After``, seconds or a date, in seconds from now; ``None`` if unreadable."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text, re.ASCII):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now()).total_seconds())


def vendor_message(body: bytes, *, secrets: Iterable[str]) -> str:
    """Return the vendor's error message as one short redacted line; empty if there is none."""
    try:
        text = _find_message(msgspec.json.decode(body))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""
    text = redact_text(text, also=secrets)
    return re.sub(r"[\x00-\x1f\x7f-\x9f\s]+", " ", text).strip()[:_LONGEST_MESSAGE]


def _find_message(value: Any) -> str:
    """Find the message in any of the vendors' shapes of error bodies."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        return _find_message(value[0])
    if isinstance(value, dict):
        for name in ("message", "error_description", "error", "errors", "reason", "detail"):
            if value.get(name) and (text := _find_message(value[name])):
                return text
        code = value.get("code") or value.get("errorCode")
        return code if isinstance(code, str) else ""
    return ""
