"""Exit rules: one small function each, in a table. Pure.

A rule reads one number of a trade. It fires when the number reaches the threshold, and recedes when
it has come back by more than the band. An unknown number changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from trades.models import ExitRule

Kind = ExitRule.Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeNow:
    """An open trade at one moment. Money is of the whole trade, after costs so far.

    ``best``: the highest profit so far. ``most``: the maximum profit at expiry, where limited.
    ``premium``: cash of the openings, a credit positive. ``days``: to the nearest expiry of an open
    leg, in calendar days. ``short_delta``: the largest |delta| of a written option. ``minute``: of
    the exchange's day, on the day that the nearest leg expires (without expiry: every day).
    ``time_value``: per unit, the least of the written options in the money that can be exercised
    early, less a dividend that goes ex within days; infinite if none is at risk.
    """

    profit: float | None = None
    best: float | None = None
    most: float | None = None
    premium: float | None = None
    days: int | None = None
    short_delta: float | None = None
    minute: int | None = None
    time_value: float | None = None


def profit_share(trade: TradeNow) -> float | None:
    """Percent of the maximum profit; of the premium where the profit is not limited."""
    whole = trade.most or abs(trade.premium or 0.0)
    return None if trade.profit is None or not whole else 100.0 * trade.profit / whole


def loss_share(trade: TradeNow) -> float | None:
    """Loss in percent of the premium."""
    if trade.profit is None or not trade.premium:
        return None
    return -100.0 * trade.profit / abs(trade.premium)


def days_left(trade: TradeNow) -> float | None:
    return None if trade.days is None else float(trade.days)


def short_delta(trade: TradeNow) -> float | None:
    return trade.short_delta


def given_back(trade: TradeNow) -> float | None:
    """Percent of the best profit that is gone; before any profit, none."""
    if trade.profit is None or trade.best is None:
        return None
    return 0.0 if trade.best <= 0.0 else 100.0 * (trade.best - trade.profit) / trade.best


def minute_of_day(trade: TradeNow) -> float | None:
    return None if trade.minute is None else float(trade.minute)


def time_value(trade: TradeNow) -> float | None:
    return trade.time_value


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleKind:
    """A kind of rule. ``falls``: it fires at or below the threshold, not at or above it."""

    number: Callable[[TradeNow], float | None]
    unit: str
    low: float
    high: float
    falls: bool = False

    def is_active(
        self, trade: TradeNow, *, threshold: float, band: float, was_active: bool
    ) -> bool | None:
        """Return whether the trade should be closed; ``None`` if its number is not known."""
        value = self.number(trade)
        if value is None:
            return None
        past = threshold - value if self.falls else value - threshold
        return past >= (-band if was_active else 0.0)


KINDS: Final[Mapping[str, RuleKind]] = {
    Kind.PROFIT_TARGET: RuleKind(number=profit_share, unit="%", low=1, high=1000),
    Kind.STOP_LOSS: RuleKind(number=loss_share, unit="% of the premium", low=1, high=10_000),
    Kind.DAYS_TO_EXPIRY: RuleKind(number=days_left, unit="days", low=0, high=3660, falls=True),
    Kind.DELTA_BREACH: RuleKind(number=short_delta, unit="delta", low=0.01, high=1),
    Kind.TRAILING: RuleKind(number=given_back, unit="% of the best", low=1, high=1000),
    Kind.TIME_OF_DAY: RuleKind(number=minute_of_day, unit="", low=0, high=1439),
    Kind.ASSIGNMENT_RISK: RuleKind(
        number=time_value, unit="time value", low=0, high=1000, falls=True
    ),
}


def clock_words(minutes: float) -> str:
    """Write minutes of a day as HH:MM."""
    return f"{int(minutes) // 60:02d}:{int(minutes) % 60:02d}"


def number_words(kind: str, value: float) -> str:
    """Write a rule's number with its unit: a percentage to a tenth, others to a hundredth."""
    if kind == Kind.TIME_OF_DAY:
        return clock_words(value)
    unit = KINDS[kind].unit
    digits = 1 if unit.startswith("%") else 2
    # What is smaller than that is not written as zero.
    is_tiny = 0.0 < abs(value) < 0.1**digits
    text = f"{value:.2g}" if is_tiny else f"{round(value, digits):,.12g}"
    return f"{text} {unit}".strip()
