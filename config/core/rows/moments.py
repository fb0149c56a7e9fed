"""Read the times of many rows as numbers, and find the days they fall on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import FloatField, Func
from numpy.typing import NDArray

Moments = NDArray[np.datetime64]
Days = NDArray[np.datetime64]


class Moment(Func):
    """A time or date in the form ``moments_of`` reads: drivers are slow to make datetimes."""

    arity = 1
    output_field = FloatField()
    template = "DATE_PART('epoch', %(expressions)s)"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # The text that is stored.
        return self.as_sql(compiler, connection, template="%(expressions)s", **context)


class Quarter(Moment):
    """The quarter of an hour of a time, to group by: it falls on one day in every zone."""

    template = "FLOOR(DATE_PART('epoch', %(expressions)s) / 900) * 900"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # To the minute: to compute with times would take longer than to read more rows.
        return self.as_sql(
            compiler, connection, template="SUBSTR(%(expressions)s, 1, 16)", **context
        )


def moments_of(column: Sequence[Any]) -> Moments:
    """Return the times of a column read as ``Moment``; NaT where missing."""
    if connection.vendor == "sqlite":
        return np.array(column, dtype="datetime64[us]")
    seconds = np.array(column, dtype=np.float64)
    known = ~np.isnan(seconds)
    moments = np.full(seconds.size, np.datetime64("NaT"), dtype="datetime64[us]")
    moments[known] = np.rint(seconds[known] * 1e6).astype(np.int64).astype("datetime64[us]")
    return moments


def days_in(moments: Moments, zone: tzinfo) -> Days:
    """Return the days of the times in a zone; NaT stays NaT."""
    utc = moments.astype("datetime64[D]")
    is_known = ~np.isnat(utc)
    known = moments[is_known]
    if not known.size:
        return utc
    # What np.unique does, without sorting.
    first = utc[is_known].min()
    after = (utc[is_known] - first).astype(np.intp)
    is_there = np.zeros(int(after.max()) + 1, dtype=bool)
    is_there[after] = True
    days = first + np.flatnonzero(is_there)
    place = (np.cumsum(is_there) - 1)[after]
    offsets = [_offset(each, zone) for each in (*days.tolist(), *(days + 1).tolist())]
    each_day = np.array(offsets, dtype=np.int64).astype("timedelta64[us]")
    begins, ends = each_day.reshape(2, days.size)[:, place]
    for row in np.flatnonzero(begins != ends):
        # The clock changes on that day.
        at = known[row].item().replace(tzinfo=UTC)
        begins[row] = at.astimezone(zone).utcoffset()
    utc[is_known] = (known + begins).astype("datetime64[D]")
    return utc


@lru_cache(maxsize=10_000)
def _offset(day: date, zone: tzinfo) -> int:
    """Return the zone's offset from UTC at the start of a UTC day, in microseconds."""
    found = datetime.combine(day, time(), tzinfo=UTC).astimezone(zone).utcoffset()
    return (found or timedelta()) // timedelta.resolution
