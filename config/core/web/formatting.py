"""How numbers, dates and ages are written. ``static/js/base/format.js`` holds the same rules.

A cell updated by script must read exactly like one rendered here: both sides are tested against
``tests/config/core/web/format_cases.json``. Values are shown from their float64, as a browser reads
them from JSON, rounded half away from zero. Missing is ``None`` and stays ``None``: the caller
shows a dash, never a zero.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, tzinfo
from decimal import ROUND_HALF_UP, Decimal

Number = float | int | Decimal

NO_BREAK = "\u00a0"
MINUS = "\u2212"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# The size, after rounding, from which a unit is used; and the decimals that make three figures.
_COMPACT_UNITS = ((999.5e9, 1e12, "T"), (999.5e6, 1e9, "B"), (999.5e3, 1e6, "M"), (999.5, 1e3, "k"))
_COMPACT_DIGITS = ((99.95, 0), (9.995, 1), (0.9995, 2), (0.09995, 3), (0.009995, 4))


def finite(value: Number | None) -> float | None:
    """The value as float64; ``None`` for missing, NaN and infinities."""
    if value is None:
        return None
    plain = float(value)
    return plain if math.isfinite(plain) else None


def fixed(value: float, digits: int) -> str:
    """Format with thousands separators and a true minus sign; zero has no sign."""
    size = abs(value)
    scaled = size * 10**digits
    if scaled < 1e15 and abs(scaled % 1 - 0.5) < 1e-6:
        # Near a tie Python rounds half to even, browsers half up.
        exact = Decimal(size).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
        text = f"{exact:,f}"
    else:
        text = f"{size:,.{digits}f}"
    return MINUS + text if value < 0 and text.strip("0.,") else text


def number(value: Number | None, digits: int = 2) -> str | None:
    """1234.5 → ``1,234.50``."""
    plain = finite(value)
    return None if plain is None else fixed(plain, digits)


def signed(value: Number | None, digits: int = 2) -> str | None:
    """1234.5 → ``+1,234.50``; for changes and directions."""
    text = number(value, digits)
    if text is None or text.startswith(MINUS) or not text.strip("0.,"):
        return text
    return "+" + text


def trimmed(value: Number | None, least: int, most: int) -> str | None:
    """At least ``least`` and at most ``most`` decimals, without needless zeros."""
    text = number(value, most)
    if text is None or most == 0:
        return text
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0").ljust(least, "0")
    text = f"{whole}.{fraction}" if fraction else whole
    return text if text.strip("0.," + MINUS) else text.lstrip(MINUS)


def price(value: Number | None) -> str | None:
    """A price per unit: two decimals, up to four if it has them."""
    return trimmed(value, 2, 4)


def strike(value: Number | None) -> str | None:
    return trimmed(value, 0, 4)


def quantity(value: Number | None) -> str | None:
    """Signed contracts or shares."""
    text = trimmed(value, 0, 4)
    if text is None or text.startswith(MINUS) or text == "0":
        return text
    return "+" + text


def percent(fraction: Number | None, digits: int = 1) -> str | None:
    """A fraction as percent: 0.25 → ``25.0%``."""
    plain = finite(fraction)
    return None if plain is None else fixed(plain * 100, digits) + "%"


def points(value: Number | None, digits: int = 2) -> str | None:
    """A change already in percent: 1.5 → ``+1.50%``."""
    text = signed(value, digits)
    return None if text is None else text + "%"


def compact(value: Number | None) -> str | None:
    """Three figures, for narrow places: 12345 → ``12.3k``, 0.04213 → ``0.0421``."""
    plain = finite(value)
    if plain is None:
        return None
    if plain == 0:
        return "0"
    unit, suffix = next(
        ((unit, name) for least, unit, name in _COMPACT_UNITS if abs(plain) >= least), (1.0, "")
    )
    scaled = plain / unit
    digits = next((digits for least, digits in _COMPACT_DIGITS if abs(scaled) >= least), 5)
    return fixed(scaled, digits) + suffix


def counted(value: Number | None) -> str | None:
    """Whole things, such as contracts: 9 → ``9``, 12345 → ``12.3k``."""
    plain = finite(value)
    return compact(plain) if plain is not None and abs(plain) >= 999.5 else number(plain, 0)


def sign(value: Number | None, digits: int = 2) -> str:
    """``up``, ``down`` or ``flat`` as the rounded text shows it; empty when missing."""
    text = signed(value, digits)
    if text is None:
        return ""
    return {"+": "up", MINUS: "down"}.get(text[0], "flat")


def day(value: date | None) -> str | None:
    """21 Nov 25."""
    if value is None:
        return None
    return f"{value.day} {MONTHS[value.month - 1]} {value.year % 100:02d}"


def moment(value: datetime | None, zone: tzinfo = UTC) -> str | None:
    """2025-11-21 14:32:05 UTC, or in another zone: 2025-11-21 15:32:05 CET."""
    if value is None:
        return None
    local = value.astimezone(zone)
    return f"{local.replace(tzinfo=None).isoformat(' ', 'seconds')} {local:%Z}"


def short_moment(value: datetime | None) -> str | None:
    """21 Nov 25 14:32, in UTC: for narrow places whose heading names the zone. Only the time may
    take a line of its own."""
    if value is None:
        return None
    utc = value.astimezone(UTC)
    return f"{day(utc)}".replace(" ", NO_BREAK) + f" {utc:%H:%M}"


def age(seconds: Number | None) -> str | None:
    """12s, 4m, 3h, 2d: whole units, rounded down. The future counts as now."""
    plain = finite(seconds)
    if plain is None:
        return None
    whole = max(0, math.floor(plain))
    for size, name in ((86400, "d"), (3600, "h"), (60, "m")):
        if whole >= size:
            return f"{whole // size}{name}"
    return f"{whole}s"
