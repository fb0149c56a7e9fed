"""What the market page shows before its script runs: the last minutes and derived figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import asdict

from greeks.market.bodies.body import head_of, row_of, velocities
from greeks.market.bodies.series import MarketSeries
from greeks.minutes.stored import OTHERS


def last_minutes(series: MarketSeries, count: int) -> dict[str, Any]:
    """Return ``/market/data``'s head and last ``count`` rows, ``None`` for missing numbers.

    ``rows`` ascend and may be gaps.
    """
    places = range(max(0, len(series) - count), len(series))
    told = {
        **asdict(head_of(series)),
        "rows": [row_of(series, place) for place in places],
        "velocity": velocities(series),
    }
    # Through JSON, so that every number is what the page's script will read.
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told))
    return decoded


def last_row(minutes: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the last minute that is not a gap."""
    rows = minutes["rows"] if minutes else ()
    return next((row for row in reversed(rows) if not row["gap"]), None)


def latest_facts(
    minutes: Mapping[str, Any] | None, chain: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the figures of the page's strip; ``None`` if unknown.

    ``chain`` is a body of ``/api/market/chain``. Spot changes count from the session's first
    minute; shares other than ``filled_share`` are percentages.
    """
    facts: dict[str, Any] = dict.fromkeys((*OTHERS, "as_of", "source"))
    row = last_row(minutes)
    if row is not None:
        facts |= {name: row[name] for name in OTHERS}
    first = None
    if minutes is not None:
        first, facts["source"] = minutes["opening_spot"], minutes["source"]
        facts["as_of"] = datetime.fromisoformat(minutes["as_of"]) if minutes["as_of"] else None
    spot = facts["spot"]
    facts["spot_change"] = None if spot is None or first is None else spot - first
    facts["spot_change_share"] = _points(spot, first)
    facts["max_pain_distance"] = _points(facts["max_pain"], spot)
    facts["atm_strike"] = at_the_money(chain["strikes"], spot) if chain else None
    contracts, filled = facts["contracts"], facts["contracts_filled"]
    facts["filled_share"] = filled / contracts if contracts and filled is not None else None
    return facts


def at_the_money(strikes: Sequence[Mapping[str, Any]], spot: float | None) -> float | None:
    """Return the strike nearest to the spot, the lower of two."""
    if spot is None or not strikes:
        return None
    nearest = min(strikes, key=lambda row: (abs(row["strike"] - spot), row["strike"]))
    strike: float = nearest["strike"]
    return strike


def _points(value: float | None, base: float | None) -> float | None:
    """Return the distance of ``value`` from ``base``, in percent of ``base``."""
    return None if value is None or not base else (value / base - 1) * 100
