"""The series of one session as columns: sums, their changes and the values at each minute's close.

Everything follows from the stored rows. A minute without a value is null in every column, and
changes do not span it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from greeks.chains import Flags, Floats
from greeks.market.bodies.questions import RESOLUTIONS, MarketChoice
from greeks.maths.changes import HeldChanges, add_up, change_from_base, minute_change
from greeks.minutes.clock import opening_minute
from greeks.minutes.stored import OTHERS, PARTS, ChainRows, Integers, rows_of

_MINUTE_SECONDS = 60
_CLOSE = PARTS.index("close")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MarketSeries:
    """Columns of equal length, one value per step of the resolution; missing numbers are NaN.

    ``minutes`` are the steps' starts in seconds since the epoch. ``candles`` has the shape (3
    sides, 4 Greeks, 4 parts, steps); ``close``, ``change``, ``from_open`` and ``vendor`` (3, 4,
    steps); ``others`` (9, steps). With a delta filter there are no candles and no vendor sums, and
    ``contracts_in_range`` counts what was summed. ``base`` is the minute whose close ``from_open``
    counts from, ``opening_spot`` the first spot of the session's minutes (NaN if there is none),
    whatever the resolution. With a filter ``change`` and ``from_open`` are of held contracts, see
    ``greeks.maths.changes``, and ``crossed`` is the rest of the sum's change since the base.
    """

    choice: MarketChoice
    rows: ChainRows
    minutes: Integers
    gap: Flags
    samples_seen: Integers
    samples_expected: Integers
    close: Floats
    change: Floats
    from_open: Floats
    candles: Floats | None
    vendor: Floats | None
    others: Floats
    contracts_in_range: Floats | None
    crossed: Floats | None
    base: datetime | None
    opening_spot: float

    def __len__(self) -> int:
        return len(self.minutes)


def series_for(choice: MarketChoice) -> MarketSeries:
    """Return a choice's series, from rows cached for all choices of the chain."""
    return series_of(choice, rows_of(choice.chain, choice.version))


def series_of(choice: MarketChoice, rows: ChainRows) -> MarketSeries:
    """Build the series in one pass: onto the session's minute grid, then by step, then changes."""
    steps = RESOLUTIONS[choice.resolution]
    minutes = _grid(choice, rows, steps)
    places = (rows.minutes - (minutes[0] if len(minutes) else 0)) // _MINUTE_SECONDS
    count = len(minutes)
    expected = int(rows.samples_expected.max(initial=60 // choice.instrument.poll_seconds))

    def on_grid(values: Floats) -> Floats:
        spread = np.full((*values.shape[:-1], count), np.nan)
        spread[..., places] = values
        return spread

    counts = np.zeros((2, count), dtype=np.int64)
    counts[1] = expected
    counts[:, places] = rows.samples_seen, rows.samples_expected
    others = on_grid(rows.others)
    spots = others[OTHERS.index("spot"), minutes >= int(opening_minute(choice.session).timestamp())]
    spots = spots[np.isfinite(spots)]
    candles = vendor = in_range = held = crossed = None
    if choice.is_filtered:
        close, in_range = _sums_in_range(choice, rows.buckets)
        # Without any contract's Greeks the sum is missing, not zero.
        close[..., rows.buckets[..., -1].sum(axis=(1, 2)) == 0] = np.nan
        close, in_range = on_grid(close), on_grid(in_range)
    else:
        candles, vendor = on_grid(rows.candles), on_grid(rows.vendor)
        close = candles[:, :, _CLOSE]
    opening = int(opening_minute(choice.session).timestamp())
    has_value = np.isfinite(close).any(axis=(0, 1)) & (counts[0] > 0) & (minutes >= opening)
    base_place = int(np.argmax(has_value)) if has_value.any() else None
    base = np.full(close.shape[:2], np.nan) if base_place is None else close[..., base_place]
    if choice.is_filtered:
        changes, _ = _sums_in_range(choice, rows.held_changes)
        held = add_up(on_grid(changes), has_value, base_place)
    if steps > 1:
        if held is not None:
            held = HeldChanges(_last(held.total, steps), _last(held.unknown, steps))
        starts = minutes[::steps]
        close, others = _last(close, steps), _last(others, steps)
        if candles is not None and vendor is not None:
            candles, vendor = _candles(candles, steps), _last(vendor, steps)
        if in_range is not None:
            in_range = _last(in_range, steps)
        counts = np.add.reduceat(counts, range(0, count, steps), axis=1) if count else counts
    else:
        starts = minutes
    change, from_open = minute_change(close), change_from_base(close, base)
    if held is not None:
        change, crossed, from_open = held.change, from_open - held.from_base, held.from_base
    return MarketSeries(
        choice=choice,
        rows=rows,
        minutes=starts,
        gap=np.logical_and.reduce(np.isnan(close), axis=(0, 1)),
        samples_seen=counts[0],
        samples_expected=counts[1],
        close=close,
        change=change,
        from_open=from_open,
        candles=candles,
        vendor=vendor,
        others=others,
        contracts_in_range=in_range,
        crossed=crossed,
        base=(
            None if base_place is None else datetime.fromtimestamp(int(minutes[base_place]), UTC)
        ),
        opening_spot=float(spots[0]) if spots.size else np.nan,
    )


def _grid(choice: MarketChoice, rows: ChainRows, steps: int) -> Integers:
    """Return every minute from the opening to the last one due or stored.

    Minutes stored from before the opening add whole steps, so that a step begins at the opening.
    """
    begin = int(opening_minute(choice.session).timestamp())
    ends = [] if choice.due is None else [int(choice.due.timestamp())]
    if len(rows):
        length = steps * _MINUTE_SECONDS
        begin -= max(0, -((int(rows.minutes[0]) - begin) // length)) * length
        ends.append(int(rows.minutes[-1]))
    if not ends:
        return np.empty(0, dtype=np.int64)
    return np.arange(begin, max(ends) + 1, _MINUTE_SECONDS, dtype=np.int64)


def _sums_in_range(choice: MarketChoice, buckets: Floats) -> tuple[Floats, Floats]:
    """Return sums (3, 4, rows) over the range's buckets, and their contracts (rows)."""
    chosen = buckets[:, :, choice.first_bucket : choice.end_bucket].sum(axis=2)
    sides = chosen[..., :4].transpose(1, 2, 0)
    sums = np.concatenate([sides, sides.sum(axis=0, keepdims=True)])
    return sums, chosen[..., 4].sum(axis=1)


# --- Coarser resolutions ------------------------------------------------------------------------
def _by_step(values: Floats, steps: int) -> Floats:
    """Split the last axis into (steps, minutes per step), padded with NaN."""
    missing = -values.shape[-1] % steps
    padding = [(0, 0)] * (values.ndim - 1) + [(0, missing)]
    return np.pad(values, padding, constant_values=np.nan).reshape(*values.shape[:-1], -1, steps)


def _last(values: Floats, steps: int) -> Floats:
    """Return each step's last known value."""
    return _first(_by_step(values, steps)[..., ::-1])


def _first(parted: Floats) -> Floats:
    place = np.argmax(np.isfinite(parted), axis=-1)
    result: Floats = np.take_along_axis(parted, place[..., None], axis=-1)[..., 0]
    return result


def _candles(candles: Floats, steps: int) -> Floats:
    opening, high, low, close = (candles[:, :, place] for place in range(len(PARTS)))
    return np.stack(
        [
            _first(_by_step(opening, steps)),
            # All-NaN steps give NaN, as they should; suppress the warning.
            np.fmax.reduce(_by_step(high, steps), axis=-1),
            np.fmin.reduce(_by_step(low, steps), axis=-1),
            _last(close, steps),
        ],
        axis=2,
    )
