"""The risk page's heat map, bars and links, as its templates write them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString

from config.core import formatting
from config.core.formatting import Number
from config.core.templatetags.desk import shown
from greeks.occ import OptionSymbolError, parse_occ
from portfolio.templatetags.book import contract_label

register = template.Library()

# Washes of the heat map on either side of nought.
LEVELS = 6
# Heading, unit and what the heading abbreviates, of the columns that all breakdowns share.
COLUMNS = (
    ("Value", "", ""),
    ("Delta", "units", ""),
    ("Dollar delta", "", ""),
    ("β delta", "shares", "Beta-weighted delta"),
    ("Gamma", "delta per 1", ""),
    ("Dollar gamma", "per 1%", ""),
    ("Theta", "per day", ""),
    ("Vega", "per point", ""),
)
BETA_SOURCES = {"set": "set", "history": "history", "self": "itself"}
# Where a what-if took a price or a volatility from.
WHAT_IF_SOURCES = {
    "position": "book",
    "given": "typed",
    "quote": "quote",
    "model": "model",
    "contract": "quote",
    "price": "price",
    "nearest_strike": "nearest strike",
}
MODELS = {"european": "European", "american": "American", "linear": "linear"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One scenario of the heat map; ``level`` is 0 for nought up to ``LEVELS`` for the most."""

    vol: float
    pnl: float | None
    share: float | None
    reference: str
    sign: str
    level: int
    mark: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Row:
    spot: float
    cells: list[Cell]


@register.simple_tag
def heat_map(grid: Mapping[str, Any], day: Number, net_liquidation: Number | None) -> Sequence[Row]:
    """The rows of one day, highest spot first. Colours are on one scale for all days."""
    axes = grid["axes"]
    plane = grid["pnl"][list(axes["days"]).index(day)]
    most = max(
        (abs(pnl) for row in _flat(grid["pnl"]) for pnl in row if pnl is not None), default=0
    )
    marks = {scenario_reference(grid[name]): name for name in ("best", "worst") if grid.get(name)}
    chosen = scenario_reference(grid["cell"]) if grid.get("cell") else ""
    rows = []
    for column, spot in reversed(list(enumerate(axes["spot"]))):
        cells = []
        for line, vol in enumerate(axes["vol"]):
            pnl = plane[line][column]
            reference = f"{spot:g},{vol:g},{day:g}"
            cells.append(
                Cell(
                    vol=vol,
                    pnl=pnl,
                    share=_ratio(pnl, net_liquidation),
                    reference=reference,
                    sign=formatting.sign(pnl, 0),
                    level=_level(pnl, most),
                    mark=marks.get(reference, ""),
                    chosen=reference == chosen,
                )
            )
        rows.append(Row(spot=spot, cells=cells))
    return rows


def _flat(pnl: Iterable[Iterable[Sequence[float | None]]]) -> Iterable[Sequence[float | None]]:
    return (row for plane in pnl for row in plane)


def _level(pnl: float | None, most: float) -> int:
    """The root of the share of the most: small profits and losses stay apart from nought."""
    if pnl is None or most <= 0 or round(pnl) == 0:
        return 0
    return max(1, math.ceil(math.sqrt(abs(pnl) / most) * LEVELS))


def _ratio(part: Number | None, whole: Number | None) -> float | None:
    if part is None or not whole:
        return None
    return float(part) / float(whole)


@register.filter
def scenario_reference(cell: Mapping[str, Any]) -> str:
    """``spot,vol,days`` as the address names a cell."""
    return f"{cell['spot']:g},{cell['vol']:g},{cell['days']:g}"


@register.filter
def axis(value: Number | None) -> SafeString:
    """A step of an axis: signed, with no more decimals than it has."""
    return shown(formatting.quantity(value))


@register.filter
def axis_text(values: Iterable[Number] | None) -> str:
    """An axis as its field is typed: ``-10, 0, 10``."""
    return ", ".join(f"{value:g}" for value in values or ())


@register.filter
def signed_compact(value: Number | None) -> SafeString:
    """Three figures and the sign of a profit or loss: ``+12.3k``."""
    text = formatting.compact(value)
    if text is None or text.startswith(formatting.MINUS) or not text.strip("0."):
        return shown(text)
    return SafeString("+" + text)


@register.filter
def largest(rows: Iterable[Mapping[str, Any]], name: str) -> float:
    """The largest size of a column, for bars on one scale; 0 when nothing is known."""
    return max((abs(float(row[name])) for row in rows if row[name] is not None), default=0.0)


@register.simple_tag
def bar(value: Number | None, most: Number) -> SafeString:
    """A bar from the middle: to the right for what is gained, to the left for what is lost."""
    size = 0.0 if value is None or not most else min(1.0, abs(float(value)) / float(most)) * 50
    start = 50 - size if value is not None and value < 0 else 50
    return SafeString(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect data-sign="{formatting.sign(value, 0)}" x="{start:.1f}" width="{size:.1f}" '
        'height="8"/><path d="M50 0V8"/></svg>'
    )


@register.simple_tag
def risk_columns() -> Sequence[tuple[str, str, str]]:
    return COLUMNS


@register.filter
def beta_source_name(value: str | None) -> str:
    return BETA_SOURCES.get(value, value) if value else ""


@register.filter
def model_name(value: str | None) -> str:
    return MODELS.get(value, value) if value else ""


@register.filter
def what_if_source(value: str | None) -> str:
    return WHAT_IF_SOURCES.get(value, value) if value else ""


@register.simple_tag
def counted(number: int | None, one: str, many: str = "") -> SafeString:
    """``1 leg``, ``7 legs``; nothing for none."""
    if not number:
        return SafeString("")
    return SafeString(f"{number:,} {escape(one if number == 1 else many or one + 's')}")


@register.filter
def leg_label(leg: Mapping[str, Any]) -> str:
    """``SPY 600 P`` for an option; with its expiry where only the symbol tells it."""
    if "right" in leg:
        return contract_label(leg)
    try:
        option = parse_occ(leg["symbol"])
    except OptionSymbolError:
        return str(leg["symbol"])
    strike, expiry = formatting.strike(option.strike), formatting.day(option.expiry)
    return f"{option.root} {strike} {option.right.value} {expiry}"


# Label, name, unit, decimals (or percent) of the numbers that a what-if compares.
_NUMBERS = (
    ("Net liquidation", "net_liquidation", "{currency}", 0),
    ("Market value", "market_value", "{currency}", 0),
    ("Beta-weighted delta", "beta_weighted_delta", "shares of {benchmark}", 1),
    ("Delta", "delta", "units", 1),
    ("Dollar delta", "dollar_delta", "{currency}", 0),
    ("Gamma", "gamma", "delta per 1", 2),
    ("Dollar gamma", "dollar_gamma", "{currency} per 1%", 0),
    ("Theta", "theta", "{currency} per day", 2),
    ("Vega", "vega", "{currency} per point", 2),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number before, after and as difference, written out; ``sign`` is the difference's."""

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
    """The numbers of a what-if in named groups: the book, vega by tenor, what may be lost."""
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
                f"VaR {formatting.percent(confidence, 0)}",
                units["currency"],
                [_value_at_risk(side, confidence) for side in sides],
                0,
            )
            for confidence in _confidences(sides)
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


def _parametric(side: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    at_risk = side.get("value_at_risk") or {}
    return at_risk.get("parametric") or ()


def _confidences(sides: Sequence[Mapping[str, Any]]) -> Sequence[float]:
    return sorted({row["confidence"] for side in sides for row in _parametric(side)})


def _value_at_risk(side: Mapping[str, Any], confidence: float) -> Number | None:
    rows = _parametric(side)
    return next((row["var"] for row in rows if row["confidence"] == confidence), None)
