"""How far the spot is from zero gamma and the walls, minute by minute, for alerts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from greeks.chains import Floats
from greeks.gex.chains.subjects import source_of
from greeks.gex.questions import GexQuestion
from greeks.models import GexSnapshot

#: A snapshot older than three slots says nothing about a minute.
VALID = timedelta(minutes=15)
#: In percent of the spot, positive while the spot is above zero gamma, below the call wall, or
#: above the put wall.
ZERO_GAMMA_DISTANCE, CALL_WALL_DISTANCE, PUT_WALL_DISTANCE = DISTANCES = (
    "zero_gamma_distance", "call_wall_distance", "put_wall_distance",
)  # fmt: skip
_LEVELS = ("zero_gamma", "call_wall", "put_wall")
_SIGNS = (1.0, -1.0, 1.0)


def level_distances(symbol: str, minutes: Sequence[datetime], spots: Floats) -> dict[str, Floats]:
    """Return each distance by name, one a minute, from the desk's own definition; in one query.

    A minute takes the levels of the last snapshot before it began; NaN without one, or without a
    level. ``spots`` has one a minute.
    """
    version, dealers = GexQuestion().series(source_of(symbol))
    rows = list(
        GexSnapshot.objects.filter(
            symbol=symbol,
            definition_version=version,
            dealers=dealers,
            slot__gt=minutes[0] - VALID,
            slot__lte=minutes[-1],
        )
        .order_by("slot")
        .values_list("slot", *_LEVELS)
    )
    levels = np.array(
        [[np.nan if each is None else each for each in row[1:]] for row in rows], dtype=np.float64
    ).reshape(len(rows), len(_LEVELS))
    slots = [slot for slot, *_ in rows]
    found = np.full((len(_LEVELS), len(minutes)), np.nan)
    for place, minute in enumerate(minutes):
        newest = bisect_right(slots, minute) - 1
        if newest >= 0 and minute - slots[newest] < VALID:
            found[:, place] = levels[newest]
    return {
        name: sign * 100.0 * (1.0 - level / spots)
        for name, sign, level in zip(DISTANCES, _SIGNS, found, strict=True)
    }
