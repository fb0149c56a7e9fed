"""The body of ``/market/data?columns=closes``: what a page needs to derive the rest.

Closes of calls and puts, rounded, as columns; minutes are counted from the first, and what the page
shows of the last minute only is there once. Both sides together are the sum of calls and puts, and
changes are differences. In a |delta| range they are not, so those columns are sent too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import asdict

from greeks.calendar.exchanges import exchange_named
from greeks.chains import SIDES, Floats
from greeks.market.bodies.body import by_greek, head_of, velocities, vendor_at
from greeks.market.bodies.questions import RESOLUTIONS
from greeks.market.bodies.series import MarketSeries
from greeks.minutes.stored import OTHERS

#: By ``SUMMED_GREEKS``, four more than a page shows: a difference still rounds like the API's.
_DECIMALS = (7, 9, 6, 6)
_SPOT_DECIMALS = 4
_ENCODER = msgspec.json.Encoder()


def encode_closes(series: MarketSeries) -> bytes:
    """Encode to JSON; the encoder writes NaN as null."""
    zone = exchange_named(series.choice.session.exchange).zone
    count = len(series)
    short = np.flatnonzero(series.samples_seen < series.samples_expected)
    filtered = series.crossed is not None
    latest = np.flatnonzero(~series.gap)
    last = int(latest[-1]) if latest.size else None
    return _ENCODER.encode(
        {
            **asdict(head_of(series)),
            "columns": "closes",
            "first_minute": (
                datetime.fromtimestamp(int(series.minutes[0]), UTC).astimezone(zone)
                if count
                else None
            ),
            "step_seconds": 60 * RESOLUTIONS[series.choice.resolution],
            "steps": count,
            "short": [
                [place, int(series.samples_seen[place]), int(series.samples_expected[place])]
                for place in short.tolist()
            ],
            "gap": np.flatnonzero(series.gap).tolist(),
            "close": _sides(series.close),
            "base_close": None if filtered or series.base is None else _base(series),
            "change": _sides(series.change) if filtered else None,
            "from_open": _sides(series.from_open) if filtered else None,
            "crossed": _sides(series.crossed) if series.crossed is not None else None,
            "velocity": velocities(series),
            "spot": np.round(series.others[OTHERS.index("spot")], _SPOT_DECIMALS).tolist(),
            "latest": None if last is None else _latest(series, last),
            "forming": None,
        }
    )


def _sides(values: Floats) -> dict[str, Any]:
    """Return calls and puts of (3 sides, 4 Greeks, steps) by Greek, rounded."""
    return by_greek(
        lambda side, greek: np.round(values[side, greek], _DECIMALS[greek]).tolist(), SIDES[:2]
    )


def _base(series: MarketSeries) -> dict[str, Any]:
    """Return the closes that changes since the open count from."""
    known = np.isfinite(series.from_open).any(axis=(0, 1))
    place = int(np.argmax(known))
    values = series.close[..., place] - series.from_open[..., place]
    return _sides(values)


def _latest(series: MarketSeries, place: int) -> dict[str, Any]:
    """Return what is shown of the last step only: facts of the chain, and the vendor's sums."""
    facts: dict[str, Any] = dict(zip(OTHERS, series.others[:, place].tolist(), strict=True))
    return facts | {"vendor": vendor_at(series, place)}
