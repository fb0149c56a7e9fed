"""The series computed one number at a time from its definition, for comparison."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from greeks.chains import SIDES, SUMMED_GREEKS
from greeks.models import GreekSnapshot
from tests.greeks.market.stored import OPENING

Number = float | None


def closes(
    rows: Sequence[GreekSnapshot], minutes: int, side: str, greek: str, buckets: range | None
) -> list[Number]:
    """Return a sum's close per minute, ``None`` in a gap."""
    by_minute = {row.minute: row for row in rows}
    found: list[Number] = []
    for number in range(minutes):
        row = by_minute.get(OPENING + timedelta(minutes=number))
        if row is None or row.samples_seen == 0:
            found.append(None)
        elif buckets is None:
            found.append(getattr(row, f"{side}_{greek}_close"))
        else:
            found.append(_in_range(bytes(row.delta_buckets or b""), side, greek, buckets))
    return found


def _in_range(stored: bytes, side: str, greek: str, buckets: range) -> float:
    numbers = struct.unpack("<200d", stored)
    sides = {"call": (0,), "put": (1,), "total": (0, 1)}[side]
    place = SUMMED_GREEKS.index(greek)
    return sum(
        sum(numbers[side_number * 100 + bucket * 5 + place] for bucket in buckets)
        for side_number in sides
    )


def steps_of(values: Sequence[Number], length: int) -> list[Number]:
    """Return the last value in each step."""
    found: list[Number] = []
    for start in range(0, len(values), length):
        there = [value for value in values[start : start + length] if value is not None]
        found.append(there[-1] if there else None)
    return found


def changes(values: Sequence[Number]) -> list[Number]:
    pairs = zip([None, *values], values, strict=False)
    return [None if a is None or b is None else b - a for a, b in pairs]


def since(values: Sequence[Number], base: Number) -> list[Number]:
    return [None if value is None or base is None else value - base for value in values]


def first_value(values: Sequence[Number]) -> Number:
    return next((value for value in values if value is not None), None)


def held(
    rows: Sequence[GreekSnapshot],
    by_minute: Sequence[Number],
    side: str,
    greek: str,
    buckets: range,
) -> list[Number]:
    """Return the stored changes of held contracts, added up from the first minute with a value."""
    stored = {row.minute: bytes(row.held_changes or b"") for row in rows}
    found: list[Number] = []
    total: Number = None
    for number, value in enumerate(by_minute):
        if value is None:
            found.append(None)
            continue
        at = OPENING + timedelta(minutes=number)
        total = 0.0 if total is None else total + _in_range(stored[at], side, greek, buckets)
        found.append(total)
    return found


def agree(ours: Sequence[Number], theirs: Sequence[Number]) -> bool:
    """To fifteen digits, and missing in the same places."""
    return len(ours) == len(theirs) and all(
        (a is None) == (b is None)
        and (a is None or b is None or abs(a - b) <= 1e-12 * max(1.0, abs(a), abs(b)))
        for a, b in zip(ours, theirs, strict=True)
    )


def assert_series(
    body: dict[str, Any],
    rows: Sequence[GreekSnapshot],
    *,
    minutes: int,
    length: int = 1,
    buckets: range | None = None,
) -> None:
    for greek in SUMMED_GREEKS:
        for side in SIDES:
            by_minute = closes(rows, minutes, side, greek, buckets)
            close = steps_of(by_minute, length)
            moved = since(close, first_value(by_minute))
            from_open = moved
            if buckets is not None:
                from_open = steps_of(held(rows, by_minute, side, greek, buckets), length)
            columns = body["series"][greek][side]
            assert agree(columns["close"], close), (greek, side)
            assert agree(columns["change"], changes(from_open)), (greek, side)
            assert agree(columns["from_open"], from_open), (greek, side)
            if buckets is not None:
                crossed = [
                    None if one is None or other is None else one - other
                    for one, other in zip(moved, from_open, strict=True)
                ]
                assert agree(columns["crossed"], crossed), (greek, side)


def minute_of(text: str) -> int:
    """Minutes since the opening."""
    return int((datetime.fromisoformat(text) - OPENING) / timedelta(minutes=1))
