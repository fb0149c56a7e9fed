"""The axes of a scenario grid: limits, and how a request writes them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from config.core.errors import invalid

#: How a request writes one number.
NUMBER = r"[+-]?[0-9]{1,6}(?:\.[0-9]{1,6})?"
_NUMBER = re.compile(NUMBER)
_LONGEST_TEXT = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """Most values an axis may have, and their range."""

    most: int
    lowest: float
    highest: float
    whole: bool = False


# Spot stays above zero; volatility is floored at zero.
LIMITS = {
    "spot": _Axis(most=41, lowest=-95.0, highest=500.0),
    "vol": _Axis(most=21, lowest=-300.0, highest=300.0),
    "days": _Axis(most=13, lowest=0.0, highest=3650.0, whole=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """Spot in percent, volatility in points, calendar days; each ascending, without duplicates."""

    spot: tuple[float, ...]
    vol: tuple[float, ...]
    days: tuple[int, ...]

    @property
    def cells(self) -> int:
        return len(self.spot) * len(self.vol) * len(self.days)

    def body(self) -> dict[str, list[Any]]:
        return {"spot": list(self.spot), "vol": list(self.vol), "days": list(self.days)}


# The default view, and what the workers keep for each account.
DEFAULT_AXES = Axes(
    spot=(-20.0, -15.0, -10.0, -5.0, 0.0, 5.0, 10.0, 15.0, 20.0),
    vol=(-10.0, -5.0, 0.0, 5.0, 10.0),
    days=(0, 7, 30),
)


def parse_axes(*, spot: str | None, vol: str | None, days: str | None) -> Axes:
    """Parse axes like ``-20,-10,0,10,20`` or ``-20:20:5``; defaults where not given.

    Raises:
        InvalidInput: names the invalid axis.
    """
    numbers = {
        name: _axis(name, text)
        for name, text in (("spot", spot), ("vol", vol), ("days", days))
        if text is not None
    }
    return Axes(
        spot=tuple(numbers.get("spot", DEFAULT_AXES.spot)),
        vol=tuple(numbers.get("vol", DEFAULT_AXES.vol)),
        days=tuple(int(day) for day in numbers.get("days", DEFAULT_AXES.days)),
    )


def parse_cell(text: str) -> tuple[float, float, int]:
    """Parse one cell given as ``spot,vol,days``. Raises ``InvalidInput`` naming ``cell``."""
    parts = text.split(",")
    if len(parts) != len(LIMITS):
        raise invalid("cell", "Expected spot,vol,days.")
    spot, vol, days = (
        check_value("cell", axis, _number("cell", part))
        for axis, part in zip(LIMITS, parts, strict=True)
    )
    return spot, vol, int(days)


def check_value(field: str, axis: str, value: float) -> float:
    """Return a valid value of an axis, or raise ``InvalidInput`` naming ``field``."""
    limit = LIMITS[axis]
    if not math.isfinite(value) or not limit.lowest <= value <= limit.highest:
        raise invalid(field, f"Expected {axis} from {limit.lowest:g} to {limit.highest:g}.")
    if limit.whole and value != int(value):
        raise invalid(field, f"Expected {axis} in whole numbers.")
    return value + 0.0


def _axis(name: str, text: str) -> Sequence[float]:
    if len(text) > _LONGEST_TEXT:
        raise invalid(name, f"Longer than {_LONGEST_TEXT} characters.")
    values = _range(name, text) if ":" in text else [_number(name, p) for p in text.split(",")]
    checked = sorted({check_value(name, name, value) for value in values})
    if len(checked) > LIMITS[name].most:
        raise invalid(name, f"{len(checked)} values, at most {LIMITS[name].most} are possible.")
    return checked


def _range(name: str, text: str) -> list[float]:
    parts = [_number(name, part) for part in text.split(":")]
    if len(parts) != 3 or parts[2] <= 0 or parts[1] < parts[0]:
        raise invalid(name, "Expected lowest:highest:step with a step above 0.")
    lowest, highest, step = parts
    steps = math.floor((highest - lowest) / step + 1e-9)
    if steps >= LIMITS[name].most:
        raise invalid(name, f"{steps + 1} values, at most {LIMITS[name].most} are possible.")
    return [round(lowest + step * index, 9) for index in range(steps + 1)]


def _number(name: str, text: str) -> float:
    if not _NUMBER.fullmatch(text.strip()):
        raise invalid(name, "Expected numbers: -20,-10,0 or -20:20:5.")
    return float(text)
