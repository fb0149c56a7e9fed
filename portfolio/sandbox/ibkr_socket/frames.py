"""Frames of the TWS API: a 4-byte big-endian length, then fields that each end in NUL.

A client opens with ``API``, NUL and a frame that names the server versions it speaks
(``v157..178``, options after a space); after that come frames of fields only.
"""

from __future__ import annotations

import asyncio
import math
import re
import struct
from decimal import Decimal

#: An unset double on the wire: Java's largest.
UNSET = "1.7976931348623157E308"
LONGEST_FRAME = 0xFFFFFF
_PREAMBLE = b"API\0"
_VERSIONS = re.compile(r"v(\d+)(?:\.\.(\d+))?")

Field = str | int | float | bool | Decimal | None
Fields = tuple[Field, ...]


class BrokenFrame(ValueError):
    """The data received is not the TWS API."""


def text(value: Field) -> str:
    """Return a field as a gateway writes it: booleans 1 and 0, doubles in Java's notation."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return repr(value).replace("e+", "E").replace("e", "E")
    return str(value)


def encode(fields: Fields) -> bytes:
    """Return the frame with its length."""
    body = b"".join(text(field).encode() + b"\0" for field in fields)
    return struct.pack(">I", len(body)) + body


async def read_versions(reader: asyncio.StreamReader) -> tuple[int, int]:
    """Return the lowest and highest server version the client speaks. Raises BrokenFrame."""
    if await reader.readexactly(len(_PREAMBLE)) != _PREAMBLE:
        raise BrokenFrame("no API preamble")
    said = (await _read_body(reader)).decode(errors="replace")
    found = _VERSIONS.match(said)
    if found is None:
        raise BrokenFrame(f"no range of versions: {said[:40]!r}")
    lowest = int(found[1])
    return lowest, int(found[2] or lowest)


async def read_fields(reader: asyncio.StreamReader) -> list[str]:
    """Return the next message. Raises BrokenFrame, or IncompleteReadError at the stream's end."""
    body = await _read_body(reader)
    if not body.endswith(b"\0"):
        raise BrokenFrame("a frame without a last NUL")
    return body[:-1].decode(errors="backslashreplace").split("\0")


async def _read_body(reader: asyncio.StreamReader) -> bytes:
    (length,) = struct.unpack(">I", await reader.readexactly(4))
    if not 0 < length <= LONGEST_FRAME:
        raise BrokenFrame(f"a frame of {length} bytes")
    return await reader.readexactly(length)
