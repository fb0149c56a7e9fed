"""What the market page measures, and how it is named and rounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What a step of each resolution is called.
STEPS = {
    "1m": "minute", "5m": "5 minutes", "15m": "15 minutes", "30m": "30 minutes", "1h": "hour",
}  # fmt: skip


#: Decimals of each Greek's sums and of a contract's.
DIGITS = {"delta": 3, "gamma": 5, "theta": 2, "vega": 2}


#: What the bars of the chain may show.
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
    """A minute in its exchange's time, with any remark: ``14:32 gap``."""
    if row is None:
        return ""
    at: str = row["minute"][11:16]
    if row["gap"]:
        return f"{at} gap"
    seen, expected = row["samples_seen"], row["samples_expected"]
    return at if seen >= expected else f"{at} · {seen}/{expected}"
