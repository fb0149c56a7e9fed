"""The chain minutes that alerts evaluate, read once for all rules."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
from django.db.models import Min, Q, QuerySet

from greeks.alerts.metrics import ChainMinutes
from greeks.chains import SUMMED_GREEKS, Flags, Floats
from greeks.minutes.stored import read_buckets
from greeks.models import GreekSnapshot

MINUTE = timedelta(minutes=1)
_HAS_SUMS = reduce(or_, (Q(**{f"total_{greek}_close__isnull": False}) for greek in SUMMED_GREEKS))


def chain_minutes(
    snapshot: GreekSnapshot,
    *,
    opening: datetime,
    count: int,
    columns: Collection[str],
    with_buckets: bool,
    with_held_changes: bool = False,
) -> ChainMinutes:
    """Return the last ``count`` minutes of a snapshot's session up to its own, in two queries, or
    three with those of held contracts.

    Changes since the open count from the ``opening`` minute, or from the first after it that has
    sums (of the spot: that has one), as in the body of ``/market/data``. Missed minutes are NaN.
    """
    of_session = GreekSnapshot.objects.filter(
        instrument_key=snapshot.instrument_key,
        expiry=snapshot.expiry,
        session_date=snapshot.session_date,
        samples_seen__gt=0,
    )
    found = of_session.filter(minute__gte=opening).aggregate(
        sums=Min("minute", filter=_HAS_SUMS),
        spot=Min("minute", filter=Q(spot__isnull=False)),
    )
    base = found["sums"]
    minutes = tuple(snapshot.minute - MINUTE * back for back in reversed(range(count)))
    wanted = sorted(columns)
    fields = ("minute", *(("delta_buckets",) if with_buckets else ()), *wanted)
    bases = [minute for minute in found.values() if minute is not None]
    within = Q(minute__in=bases) | Q(minute__gte=minutes[0], minute__lte=minutes[-1])
    rows = {row["minute"]: row for row in of_session.filter(within).values(*fields)}
    asked = [rows.get(at) for at in (base, *minutes)]
    held_changes = has_value = None
    if with_held_changes and base is not None:
        held_changes, has_value = _held_changes(of_session, base, snapshot.minute)
    return ChainMinutes(
        expiry=snapshot.expiry,
        minutes=minutes,
        columns={
            name: _column([rows.get(found["spot"]), *asked[1:]] if name == "spot" else asked, name)
            for name in wanted
        },
        buckets=(
            read_buckets([None if row is None else row["delta_buckets"] for row in asked])
            if with_buckets
            else None
        ),
        held_changes=held_changes,
        has_value=has_value,
    )


def _held_changes(
    of_session: QuerySet[GreekSnapshot], base: datetime, last: datetime
) -> tuple[Floats, Flags]:
    """Return ``held_changes`` of each minute from the base on, and which minutes have sums."""
    within = of_session.filter(_HAS_SUMS, minute__gte=base, minute__lte=last)
    stored = dict(within.values_list("minute", "held_changes"))
    minutes = [base + MINUTE * number for number in range((last - base) // MINUTE + 1)]
    has_value = np.array([minute in stored for minute in minutes], dtype=bool)
    return read_buckets([stored.get(minute) for minute in minutes]), has_value


def snapshot_of(instrument_key: str, expiry: date, minute: datetime) -> GreekSnapshot | None:
    """Return the stored minute, with only its identifying fields; ``None`` if there is none."""
    return (
        GreekSnapshot.objects.filter(instrument_key=instrument_key, expiry=expiry, minute=minute)
        .only("instrument_key", "expiry", "minute", "session_date")
        .first()
    )


def _column(rows: list[dict[str, Any] | None], name: str) -> Floats:
    return np.array(
        [np.nan if row is None or row[name] is None else row[name] for row in rows], dtype=float
    )
