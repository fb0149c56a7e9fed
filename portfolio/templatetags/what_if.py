"""A what-if's numbers before, after and as difference, formatted for its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import template
from django.utils.safestring import SafeString

from config.core.templatetags.desk import shown
from config.core.web import formatting
from config.core.web.formatting import Number

register = template.Library()

# Sources of a what-if's prices and volatilities.
WHAT_IF_SOURCES = {
    "position": "book",
    "given": "typed",
    "quote": "quote",
    "model": "model",
    "contract": "quote",
    "price": "price",
    "nearest_strike": "nearest strike",
}
# Label, name, unit, decimals (or percent) of the compared numbers.
_NUMBERS = (
    ("Net liquidation", "net_liquidation", "{currency}", 0),
    ("Market value", "market_value", "{currency}", 0),
    ("Beta-weighted delta", "beta_weighted_delta", "shares of {benchmark}", 1),
    ("Beta-weighted gamma", "beta_weighted_gamma", "shares per 1 of {benchmark}", 2),
    ("Dollar delta", "dollar_delta", "{currency}", 0),
    ("Dollar gamma", "dollar_gamma", "{currency} per 1%", 0),
    ("Theta", "theta", "{currency} per day", 2),
    ("Vega", "vega", "{currency} per point", 2),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number before, after and as difference, formatted; ``sign`` is the difference's."""

    label: str
    unit: str
    before: SafeString
    after: SafeString
    difference: SafeString
    sign: str


@register.simple_tag
def compared_numbers(
    result: Mapping[str, Any], benchmark: str
) -> Sequence[tuple[str, Sequence[Comparison]]]:
    """Return a what-if's numbers in named groups: the book, vega by tenor, possible losses."""
    sides = [result[side] for side in ("before", "after", "difference")]
    units = {"currency": result["currency"], "benchmark": benchmark}
    book = [
        _compared(label, unit.format(**units), [side.get(name) for side in sides], digits)
        for label, name, unit, digits in _NUMBERS
    ]
    ratio = [_times(side.get("theta_to_net_liq"), 100) for side in sides]
    book.append(_compared("Theta / net liq", "% per day", ratio, 3))
    loss = [
        _compared("Worst scenario", units["currency"], [_worst(side) for side in sides], 0),
        *(
            _compared(
                f"{title} VaR {formatting.percent(confidence, 0)}",
                units["currency"],
                [_value_at_risk(side, method, confidence) for side in sides],
                0,
            )
            for method, title in (("parametric", "Parametric"), ("scenario", "Scenario"))
            for confidence in _confidences(sides, method)
        ),
    ]
    tenors = list(dict.fromkeys(row["tenor"] for side in sides for row in side["vega_by_tenor"]))
    unit = f"{units['currency']} per point"
    rows = [_compared(t, unit, [_tenor(side, t) for side in sides], 2) for t in tenors]
    return [
        ("The book", book),
        ("What may be lost", loss),
        *([("Vega by tenor", rows)] if rows else []),
    ]


def _compared(label: str, unit: str, values: Sequence[Number | None], digits: int) -> Comparison:
    before, after, difference = values
    return Comparison(
        label=label,
        unit=unit,
        before=shown(formatting.number(before, digits)),
        after=shown(formatting.number(after, digits)),
        difference=shown(formatting.signed(difference, digits)),
        sign=formatting.sign(difference, digits),
    )


def _times(value: Number | None, factor: float) -> float | None:
    return None if value is None else float(value) * factor


def _worst(side: Mapping[str, Any]) -> Number | None:
    worst = side.get("worst")
    return worst["pnl"] if isinstance(worst, Mapping) else worst


def _tenor(side: Mapping[str, Any], tenor: str) -> Number | None:
    return next((row["vega"] for row in side["vega_by_tenor"] if row["tenor"] == tenor), None)


def _quantiles(side: Mapping[str, Any], method: str) -> Sequence[Mapping[str, Any]]:
    return side["value_at_risk"][method] or ()


def _confidences(sides: Sequence[Mapping[str, Any]], method: str) -> Sequence[float]:
    return sorted({row["confidence"] for side in sides for row in _quantiles(side, method)})


def _value_at_risk(side: Mapping[str, Any], method: str, confidence: float) -> Number | None:
    rows = _quantiles(side, method)
    return next((row["var"] for row in rows if row["confidence"] == confidence), None)


@register.filter
def what_if_source(value: str | None) -> str:
    return WHAT_IF_SOURCES.get(value, value) if value else ""
