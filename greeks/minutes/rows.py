"""A minute's row: built from its samples, written only if better than the stored one.

The database settles every race. Only a row built from more samples replaces the stored one, so a
writer that comes late, twice, or with the rest of a lost stream does no harm.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from config.core.clock import now
from config.core.upsert import upsert, upsert_each
from greeks.chains import Flags, Floats
from greeks.models import GreekSnapshot, StoredDay
from greeks.models.greek_snapshot import CANDLE_FIELDS, VENDOR_FIELDS
from greeks.polling.forming_minute import known
from greeks.polling.samples import ChainSample

_NUMBERS = (
    "call_open_interest", "put_open_interest", "call_volume", "put_volume", "pcr", "max_pain",
    "atm_implied_volatility",
)  # fmt: skip
_COUNTS = ("contracts", "contracts_without_greeks", "contracts_filled")
_KEY = ("instrument_key", "expiry", "minute")
_DAY = ("instrument_key", "session_date", "expiry")


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteOf:
    """A row's minute and chain, and how many samples it should have."""

    instrument_key: str
    expiry: date
    minute: datetime
    session_date: date
    samples_expected: int
    source: str
    simulated: bool


def candle_row(
    of: MinuteOf, samples: Sequence[ChainSample], changes: Floats | None = None
) -> dict[str, Any]:
    """Return a minute's columns. Without samples it is a gap: every number is ``None``.

    ``changes`` are those of ``bucket_changes`` since the last minute before, if known.

    Each sum opens with its first known value and closes with its last; high and low are among the
    known ones. All else, buckets included, comes from the last sample with known sums.
    """
    row: dict[str, Any] = {
        "instrument_key": of.instrument_key,
        "expiry": of.expiry,
        "minute": of.minute,
        "session_date": of.session_date,
        "samples_seen": len(samples),
        "samples_expected": max((each.expected for each in samples), default=of.samples_expected),
        "source": of.source,
        "simulated": of.simulated,
    }
    if not samples:
        return row
    candles = candle(np.stack([each.sums.everything.ravel() for each in samples]))
    row |= zip(CANDLE_FIELDS, map(known, candles.ravel().tolist()), strict=True)
    last = _closing(samples)
    sums = last.sums
    row |= zip(VENDOR_FIELDS, map(known, sums.vendor.ravel().tolist()), strict=True)
    row |= {name: known(float(getattr(sums, name))) for name in _NUMBERS}
    row |= {name: getattr(sums, name) for name in _COUNTS}
    return row | {
        "held_changes": None if changes is None else changes.astype("<f8").tobytes(),
        "delta_buckets": sums.buckets.astype("<f8").tobytes(),
        "spot": known(last.spot),
        "as_of": last.as_of,
        "source": last.source,
        "simulated": last.simulated,
    }


def candle(values: Floats) -> Floats:
    """Return open, high, low, close per column: (samples, columns) → (columns, 4). NaN if none
    known."""
    is_known: Flags = np.isfinite(values)
    columns = np.arange(values.shape[1])
    first = is_known.argmax(axis=0)
    last = len(values) - 1 - is_known[::-1].argmax(axis=0)
    parts = (
        values[first, columns],
        np.where(is_known, values, -np.inf).max(axis=0),
        np.where(is_known, values, np.inf).min(axis=0),
        values[last, columns],
    )
    result = np.stack(parts, axis=1)
    result[~np.logical_or.reduce(is_known, axis=0)] = np.nan
    return result


def write_rows(rows: Sequence[Mapping[str, Any]], *, rewrite: bool = False) -> list[bool]:
    """Upsert each row and its day; return for each row whether it was written.

    Only a row with more samples replaces another; with ``rewrite`` also one with equally many,
    unless both are gaps. The caller opens the transaction.
    """
    better = "{old}.samples_seen < {new}.samples_seen"
    if rewrite:
        better += " OR ({old}.samples_seen = {new}.samples_seen AND {new}.samples_seen > 0)"
    columns = [f.attname for f in GreekSnapshot._meta.concrete_fields if not f.primary_key]
    at = now()
    values = [[({**row, "updated_at": at}).get(name) for name in columns] for row in rows]
    written = upsert_each(GreekSnapshot, columns, values, unique=_KEY, only_if=better)
    note_days([row for row, is_written in zip(rows, written, strict=True) if is_written])
    return written


def note_days(rows: Iterable[Mapping[str, Any]]) -> None:
    """Keep the days of minutes with samples, for the pickers."""
    days: dict[tuple[Any, ...], datetime] = {}
    for row in rows:
        if row["samples_seen"]:
            day = tuple(row[name] for name in _DAY)
            days[day] = max(row["as_of"], days.get(day, row["as_of"]))
    of_days = [[*day, as_of] for day, as_of in days.items()]
    upsert(StoredDay, [*_DAY, "as_of"], of_days, unique=_DAY, highest=["as_of"])


def _closing(samples: Sequence[ChainSample]) -> ChainSample:
    for sample in reversed(samples):
        if not math.isnan(sample.sums.everything[-1, 0]):
            return sample
    return samples[-1]
