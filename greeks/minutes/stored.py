"""The stored minutes of one chain in one session, as columns: one query, cached per version."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
from cachetools import TTLCache
from django.db.models import Count, Max, Q
from numpy.typing import NDArray

from greeks.chains import SIDES, SUMMED_GREEKS, Floats
from greeks.maths.aggregation import BUCKETS_SHAPE
from greeks.models import GreekSnapshot
from greeks.models.greek_snapshot import CANDLE_FIELDS, VENDOR_FIELDS

PARTS = ("open", "high", "low", "close")
#: Other values at a minute's close, in the order of ``ChainRows.others``.
OTHERS = (
    "spot",
    "call_open_interest",
    "put_open_interest",
    "pcr",
    "max_pain",
    "atm_implied_volatility",
    "contracts",
    "contracts_without_greeks",
    "contracts_filled",
)
_HEAD = ("minute", "updated_at", "as_of", "source", "simulated", "samples_seen", "samples_expected")
_NUMBERS = (*CANDLE_FIELDS, *VENDOR_FIELDS, *OTHERS)
_COLUMNS = (*_HEAD, "delta_buckets", "held_changes", *_NUMBERS)
_BUCKETS_BYTES = 8 * int(np.prod(BUCKETS_SHAPE))
#: Copies older than this are checked against the database again.
KEPT_SECONDS = 120.0
# Today's charts plus some days and expiries; one takes about a megabyte.
_MOST_KEPT = 6

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Chain:
    """Which rows: one expiry of one instrument on one session day."""

    instrument_key: str
    session_date: date
    expiry: date


@dataclass(frozen=True, slots=True)
class RowsVersion:
    """How many minutes are committed, and when the latest was written."""

    minutes: int
    updated_at: datetime | None

    @property
    def number(self) -> int:
        """Return microseconds since the epoch: grows with each commit, fits a JavaScript number."""
        if self.updated_at is None:
            return 0
        since = self.updated_at - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


NO_ROWS = RowsVersion(0, None)


@dataclass(frozen=True, slots=True, eq=False)
class ChainRows:
    """Rows ascend by minute. Missing numbers are NaN.

    ``minutes`` are seconds of the epoch; ``candles`` has the shape (3 sides, 4 Greeks, 4 parts,
    rows), ``vendor`` (3, 4, rows), ``others`` (9, rows), ``buckets`` and
    ``held_changes`` (rows, 2, 20, 5).
    """

    version: RowsVersion
    minutes: Integers
    candles: Floats
    vendor: Floats
    others: Floats
    buckets: Floats
    held_changes: Floats
    samples_seen: Integers
    samples_expected: Integers
    as_of: datetime | None
    source: str | None
    is_simulated: bool

    def __len__(self) -> int:
        return len(self.minutes)


def read_rows(chain: Chain) -> ChainRows:
    """Return the committed rows, in one query."""
    rows = list(
        GreekSnapshot.objects.filter(
            instrument_key=chain.instrument_key,
            session_date=chain.session_date,
            expiry=chain.expiry,
        )
        .order_by("minute")
        .values_list(*_COLUMNS)
    )
    count = len(rows)
    columns: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(_COLUMNS)
    minutes, updated, as_of, sources, simulated, seen, expected = columns[: len(_HEAD)]
    numbers = np.array(columns[len(_HEAD) + 2 :], dtype=np.float64).reshape(len(_NUMBERS), count)
    candles, vendor, others = np.split(
        numbers, [len(CANDLE_FIELDS), len(CANDLE_FIELDS) + len(VENDOR_FIELDS)]
    )
    sums = (len(SIDES), len(SUMMED_GREEKS))
    return ChainRows(
        version=RowsVersion(count, max(updated, default=None)),
        minutes=np.array([int(each.timestamp()) for each in minutes], dtype=np.int64),
        candles=candles.reshape(*sums, len(PARTS), count),
        vendor=vendor.reshape(*sums, count),
        others=others,
        buckets=read_buckets(columns[len(_HEAD)]),
        held_changes=read_buckets(columns[len(_HEAD) + 1]),
        samples_seen=np.array(seen, dtype=np.int64),
        samples_expected=np.array(expected, dtype=np.int64),
        as_of=max((each for each in as_of if each is not None), default=None),
        source=sources[-1] if sources else None,
        is_simulated=any(simulated),
    )


def read_buckets(stored: Collection[Any]) -> Floats:
    """Return rows' stored ``delta_buckets`` or ``held_changes``, shape (rows, 2, 20, 5).

    Axes: side, |delta|, then delta, gamma, theta, vega and contracts. NaN if a row has none or one
    of another shape.
    """
    missing = np.full(BUCKETS_SHAPE, np.nan).tobytes()
    parts = [
        bytes(each) if each is not None and len(each) == _BUCKETS_BYTES else missing
        for each in stored
    ]
    return np.frombuffer(b"".join(parts), dtype="<f8").reshape(len(parts), *BUCKETS_SHAPE)


def versions_of(days: Collection[tuple[str, date]]) -> Mapping[Chain, RowsVersion]:
    """Return the version of every chain with rows on the instruments' days, in one query."""
    if not days:
        return {}
    wanted = reduce(or_, (Q(instrument_key=key, session_date=day) for key, day in set(days)))
    found = (
        GreekSnapshot.objects.filter(wanted)
        .order_by()
        .values("instrument_key", "session_date", "expiry")
        .annotate(minutes=Count("pk"), latest=Max("updated_at"))
    )
    return {
        Chain(row["instrument_key"], row["session_date"], row["expiry"]): RowsVersion(
            row["minutes"], row["latest"]
        )
        for row in found
    }


#: Rows of this process's last few chains: many charts share one reading.
kept_rows: TTLCache[Chain, ChainRows] = TTLCache(_MOST_KEPT, KEPT_SECONDS)
_lock = threading.Lock()


def rows_of(chain: Chain, version: RowsVersion) -> ChainRows:
    """Return the rows of this version, or newer ones if more is committed by the time they are
    read."""
    with _lock:
        rows = kept_rows.get(chain)
    if rows is None or rows.version != version:
        rows = read_rows(chain)
        with _lock:
            kept_rows[chain] = rows
    return rows
