"""A minute's row from its samples, and the one statement that writes it: never worse than before.

The database settles every race. A row is inserted, or replaces the stored one only where it was
made of more samples: whoever comes late, twice, or with what is left of a lost stream changes
nothing for the worse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import numpy as np
from django.db import connection

from config.core.clock import now
from greeks.chains import SIDES, SUMMED_GREEKS, Flags, Floats
from greeks.models import GreekSnapshot
from greeks.models.greek_snapshot import CANDLE_FIELDS, VENDOR_FIELDS
from greeks.polling.forming_minute import known
from greeks.polling.samples import ChainSample

_SUMS = len(SIDES) * len(SUMMED_GREEKS)
_NUMBERS = (
    "call_open_interest", "put_open_interest", "call_volume", "put_volume", "pcr", "max_pain",
    "atm_implied_volatility",
)  # fmt: skip
_COUNTS = ("contracts", "contracts_without_greeks", "contracts_filled")
_PLAIN = frozenset({float, int, str})
_KEY = ("instrument_key", "expiry", "minute")


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteOf:
    """Which minute of which chain a row is of, and how many samples it should have."""

    instrument_key: str
    expiry: date
    minute: datetime
    session_date: date
    samples_expected: int
    source: str
    simulated: bool


def candle_row(of: MinuteOf, samples: Sequence[ChainSample]) -> dict[str, Any]:
    """The columns of a minute. Without samples it is a gap: every number is ``None``.

    Each sum's open is its first known value, its close the last, high and low are among the known
    ones. All else, buckets included, is the last sample's whose sums are known.
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
    row |= {name: known(getattr(sums, name)) for name in _NUMBERS}
    row |= {name: getattr(sums, name) for name in _COUNTS}
    return row | {
        "delta_buckets": sums.buckets.astype("<f8").tobytes(),
        "spot": known(last.spot),
        "as_of": last.as_of,
        "source": last.source,
        "simulated": last.simulated,
    }


def candle(values: Floats) -> Floats:
    """Open, high, low, close of each column: (samples, columns) → (columns, 4). NaN: none known."""
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
    """Upsert rows, each by itself; says of each whether it was written.

    A stored row made of as many samples or more stays; with ``rewrite`` one of as many is replaced.
    The caller decides about the transaction.
    """
    written = []
    with connection.cursor() as cursor:
        statement = _statement(connection.vendor, rewrite=rewrite)
        for row in rows:
            cursor.execute(statement, _values({**row, "updated_at": now()}))
            written.append(cursor.fetchone() is not None)
    return written


def _closing(samples: Sequence[ChainSample]) -> ChainSample:
    for sample in reversed(samples):
        if not math.isnan(sample.sums.everything[-1, 0]):
            return sample
    return samples[-1]


@lru_cache(maxsize=4)
def _statement(vendor: str, *, rewrite: bool) -> str:
    """PostgreSQL's and SQLite's upsert are the same; ``vendor`` decides how names are quoted."""
    quote = connection.ops.quote_name
    table = quote(GreekSnapshot._meta.db_table)
    columns = [quote(field.column) for field in _fields()]
    keys = ", ".join(quote(name) for name in _KEY)
    changes = ", ".join(f"{c} = excluded.{c}" for c in columns if c not in map(quote, _KEY))
    seen = quote("samples_seen")
    better = f"{table}.{seen} < excluded.{seen}"
    if rewrite:
        # A gap is not written over by another.
        better += f" OR ({table}.{seen} = excluded.{seen} AND excluded.{seen} > 0)"
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) "  # noqa: S608 - names of our own model
        f"VALUES ({', '.join(['%s'] * len(columns))}) "
        f"ON CONFLICT ({keys}) DO UPDATE SET {changes} "
        f"WHERE {better} RETURNING {seen}"
    )


@lru_cache(maxsize=1)
def _fields() -> tuple[Any, ...]:
    return tuple(f for f in GreekSnapshot._meta.concrete_fields if not f.primary_key)


def _values(row: Mapping[str, Any]) -> list[Any]:
    """As the database takes them: plain numbers and texts, most of a row, as they are."""
    values = (row.get(field.attname) for field in _fields())
    return [
        value
        if value is None or type(value) in _PLAIN
        else field.get_db_prep_save(value, connection)
        for field, value in zip(_fields(), values, strict=True)
    ]
