"""Names and rounding of the market page's measures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The name of a step of each resolution.
STEPS = {
    "1m": "minute", "5m": "5 minutes", "15m": "15 minutes", "30m": "30 minutes", "1h": "hour",
}  # fmt: skip


#: Decimals of each Greek: its sums, and a contract's.
DIGITS = {"delta": 3, "gamma": 5, "theta": 2, "vega": 2}


#: What the chain's bars can show.
MEASURES = (
    ("open_interest", "OI"),
    ("volume", "Vol"),
    ("iv", "IV"),
    ("delta", "Delta"),
    ("gamma", "Gamma"),
    ("theta", "Theta"),
    ("vega", "Vega"),
)


def minute_text(row: Mapping[str, Any] | None) -> str:
    """Return a minute in its exchange's time, with any remark: ``14:32 gap``."""
    if row is None:
        return ""
    at: str = row["minute"][11:16]
    if row["gap"]:
        return f"{at} gap"
    seen, expected = row["samples_seen"], row["samples_expected"]
    return at if seen >= expected else f"{at} · {seen}/{expected}"


GREEKS = (
    ("vega", "Vega", "per vol point"),
    ("delta", "Delta", "per 1"),
    ("gamma", "Gamma", "per 1²"),
    ("theta", "Theta", "per day"),
)


SIDE_LABELS = {"total": "Both", "call": "Calls", "put": "Puts"}


#: Sides of the chain the charts can draw; "split" draws calls beside puts.
DRAWN_SIDES = (("total", "Both"), ("call", "Calls"), ("put", "Puts"), ("split", "Calls | puts"))


#: Minutes of the day the charts draw, up to the latest; "day" is all of it.
SPANS = (("30", "30 min"), ("60", "1 h"), ("120", "2 h"), ("day", "Day"))
