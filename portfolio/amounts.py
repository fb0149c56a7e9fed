"""Amounts, Greeks and times as the columns take them: anything that does not fit is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from config.core.clock import market_now, now
from greeks.providers.decoding import LARGEST_AMOUNT, SMALLEST_STEP, parse_decimal

# A broker's clock may run ahead of ours by this much before its times are not believed.
CLOCK_TOLERANCE = timedelta(minutes=5)
_DECIMAL_PLACES = Decimal(1).scaleb(-6)
_VOLATILITY_PLACES = Decimal(1).scaleb(-4)
_LARGEST_GREEK = 1e9
_LARGEST_VOLATILITY = 1e4
#: JSON with amounts as numbers, in all their digits.
ENCODER = msgspec.json.Encoder(decimal_format="number")
# The same number is written to several tables, and of a spot to many rows.
_NUMBERS_KEPT = 8192


def checked_amount(value: Any, field: str) -> Decimal | None:
    """Return the value as a Decimal(20, 8), or ``None`` if missing. Raises BadRow if it does not
    fit."""
    # A stream's prices pass here each second: this costs a third of looking at the exponent.
    if (
        isinstance(value, Decimal)
        and value.is_finite()
        and abs(value) < LARGEST_AMOUNT
        and value.quantize(SMALLEST_STEP) == value
    ):
        return value
    return parse_decimal(value, field)


def fitting_amount(value: Decimal | None) -> Decimal | None:
    """Round a computed amount to eight places; ``None`` if it does not fit the column."""
    if value is None or not value.is_finite() or abs(value) >= LARGEST_AMOUNT:
        return None
    return value.quantize(SMALLEST_STEP)


def as_float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def checked_time(moment: datetime) -> datetime:
    """Make a time aware and cap it at now, so a fast broker clock cannot make data look fresh."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if moment <= now():
        return moment
    latest = max(now(), market_now())
    return latest if moment > latest + CLOCK_TOLERANCE else moment


@lru_cache(maxsize=_NUMBERS_KEPT)
def greek_number(value: float | None) -> Decimal | None:
    """Round a Greek to Decimal(15, 6), for display."""
    if value is None or abs(value) >= _LARGEST_GREEK:
        return None
    return Decimal(repr(value)).quantize(_DECIMAL_PLACES)


@lru_cache(maxsize=_NUMBERS_KEPT)
def volatility_number(value: float | None) -> Decimal | None:
    """Round a volatility to Decimal(8, 4), for display."""
    if value is None or abs(value) >= _LARGEST_VOLATILITY:
        return None
    return Decimal(repr(value)).quantize(_VOLATILITY_PLACES)


@lru_cache(maxsize=_NUMBERS_KEPT)
def spot_number(value: float | None) -> Decimal | None:
    """Round an underlying's price to Decimal(20, 8)."""
    return None if value is None else fitting_amount(Decimal(repr(value)))
