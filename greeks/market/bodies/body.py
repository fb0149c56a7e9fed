"""The body of ``/market/data``, and its last row as a frame's data: JSON by columns.

Numbers keep all digits of a float64; missing ones are null. Times are ISO 8601 with the exchange's
offset.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from msgspec.structs import asdict

from greeks.calendar.exchanges import exchange_named
from greeks.chains import SIDES, SUMMED_GREEKS, Floats
from greeks.market.bodies.series import MarketSeries
from greeks.market.shapes import BaseMinute, MarketHead, Session
from greeks.maths.aggregation import BUCKETS_SHAPE
from greeks.maths.changes import velocity
from greeks.minutes.clock import opening_minute
from greeks.minutes.stored import OTHERS, PARTS

SCHEMA = 1
_BUCKETS = BUCKETS_SHAPE[1]
_ENCODER = msgspec.json.Encoder()
_WHOLE = frozenset({"contracts", "contracts_without_greeks", "contracts_filled"})


def encode(series: MarketSeries) -> bytes:
    """Encode to JSON; the encoder writes NaN as null."""
    return _ENCODER.encode(body_of(series))


def head_of(series: MarketSeries) -> MarketHead:
    """Return what the body says before its columns."""
    choice, rows = series.choice, series.rows
    instrument, session = choice.instrument, choice.session
    zone = exchange_named(session.exchange).zone
    base = series.base
    return MarketHead(
        schema=SCHEMA,
        stale=False,
        slug=instrument.slug,
        name=instrument.name,
        instrument_key=choice.chain.instrument_key,
        expiry=choice.chain.expiry,
        date=choice.chain.session_date,
        resolution=choice.resolution,
        delta_min=choice.first_bucket / _BUCKETS,
        delta_max=choice.end_bucket / _BUCKETS,
        session=Session(
            exchange=session.exchange,
            zone=zone.key,
            opens_at=session.opens_at.astimezone(zone),
            closes_at=session.closes_at.astimezone(zone),
            kind=session.kind,
        ),
        calendar_known_until=choice.calendar_known_until,
        base=(
            BaseMinute(minute=base.astimezone(zone), is_opening=base == opening_minute(session))
            if base is not None
            else None
        ),
        opening_spot=series.opening_spot,
        as_of=rows.as_of.astimezone(zone) if rows.as_of is not None else None,
        source=rows.source or instrument.provider,
        simulated=rows.is_simulated or instrument.simulated,
        version=rows.version.number,
    )


def body_of(series: MarketSeries) -> dict[str, Any]:
    """Return the whole body. The websocket sends ``forming``, which changes every five seconds."""
    zone = exchange_named(series.choice.session.exchange).zone
    return {
        **asdict(head_of(series)),
        "minutes": _iso_minutes(series, zone),
        "gap": series.gap.tolist(),
        "samples_seen": series.samples_seen.tolist(),
        "samples_expected": series.samples_expected.tolist(),
        "series": by_greek(lambda side, greek: _columns(series, side, greek)),
        "vendor": None if series.vendor is None else by_greek(_of(series.vendor)),
        "velocity": velocities(series),
        **{
            name: _numbers(values, whole=name in _WHOLE)
            for name, values in zip(OTHERS, series.others, strict=True)
        },
        "contracts_in_range": (
            None
            if series.contracts_in_range is None
            else _numbers(series.contracts_in_range, whole=True)
        ),
        "forming": None,
    }


def row_of(series: MarketSeries, place: int) -> dict[str, Any]:
    """Return one step's values in the body's shape, each column replaced by its value there."""
    zone = exchange_named(series.choice.session.exchange).zone
    minute = datetime.fromtimestamp(int(series.minutes[place]), tz=UTC)
    return {
        "minute": minute.astimezone(zone).isoformat(),
        "gap": bool(series.gap[place]),
        "samples_seen": int(series.samples_seen[place]),
        "samples_expected": int(series.samples_expected[place]),
        "series": by_greek(
            lambda side, greek: {
                name: values[0] for name, values in _columns(series, side, greek, place).items()
            }
        ),
        "vendor": vendor_at(series, place),
        **{
            name: _numbers(values[place : place + 1], whole=name in _WHOLE)[0]
            for name, values in zip(OTHERS, series.others, strict=True)
        },
    }


def velocities(series: MarketSeries) -> dict[str, Any]:
    """Return how each sum moved in the last step."""
    return by_greek(lambda side, greek: velocity(series.change[side, greek]))


def vendor_at(series: MarketSeries, place: int) -> dict[str, Any] | None:
    """Return the vendor's own sums of one step, ``None`` with a delta filter."""
    return None if series.vendor is None else by_greek(_of(series.vendor[..., place]))


def by_greek(read: Callable[[int, int], Any], sides: Sequence[str] = SIDES) -> dict[str, Any]:
    """Return ``read(side, greek)`` of each place by the names: ``{"delta": {"call": …}, …}``."""
    return {
        greek: {side: read(s, g) for s, side in enumerate(sides)}
        for g, greek in enumerate(SUMMED_GREEKS)
    }


def _of(values: Floats) -> Callable[[int, int], Any]:
    return lambda side, greek: values[side, greek].tolist()


def _columns(
    series: MarketSeries, side: int, greek: int, place: int | None = None
) -> dict[str, list[float]]:
    span = slice(None) if place is None else slice(place, place + 1)
    columns = {
        "close": series.close[side, greek, span].tolist(),
        "change": series.change[side, greek, span].tolist(),
        "from_open": series.from_open[side, greek, span].tolist(),
    }
    if series.crossed is not None:
        columns["crossed"] = series.crossed[side, greek, span].tolist()
    # A side's candles overlap on a chart, so the candles of both sides together are drawn.
    if series.candles is not None and SIDES[side] == "total":
        for part in ("open", "high", "low"):
            columns[part] = series.candles[side, greek, PARTS.index(part), span].tolist()
    return columns


def _numbers(values: Floats, *, whole: bool = False) -> list[Any]:
    if not whole:
        found: list[Any] = values.tolist()
        return found
    return [int(value) if value == value else None for value in values.tolist()]


def _iso_minutes(series: MarketSeries, zone: ZoneInfo) -> list[str]:
    """One offset serves a session unless the clocks change during it, which its ends would show."""
    if not len(series):
        return []
    ends = [
        datetime.fromtimestamp(int(series.minutes[place]), tz=UTC).astimezone(zone)
        for place in (0, -1)
    ]
    offsets = [end.strftime("%z") for end in ends]
    if offsets[0] != offsets[1]:
        return [
            datetime.fromtimestamp(second, tz=UTC).astimezone(zone).isoformat()
            for second in series.minutes.tolist()
        ]
    shift = ends[0].utcoffset()
    local = series.minutes + int(shift.total_seconds() if shift is not None else 0)
    suffix = f"{offsets[0][:3]}:{offsets[0][3:]}"
    times = np.datetime_as_string(local.astype("datetime64[s]"))
    return [f"{text}{suffix}" for text in times.tolist()]
