"""The risk page's heat map, bars and links, as its templates write them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString

from config.core.templatetags.desk import shown
from config.core.web import formatting
from config.core.web.formatting import Number
from greeks.instruments.names import contract_name
from portfolio.exposure.columns import UNIT_COLUMNS, ratio
from portfolio.templatetags.book import contract_label

register = template.Library()

# Shades of the heat map on either side of zero.
LEVELS = 6
# Name, heading, unit and what the heading abbreviates, of the columns that all breakdowns share.
COLUMNS = (
    ("market_value", "Value", "", ""),
    ("delta", "Delta", "units", ""),
    ("dollar_delta", "Dollar delta", "", ""),
    ("beta_weighted_delta", "β delta", "shares", "Beta-weighted delta"),
    ("gamma", "Gamma", "delta per 1", ""),
    ("dollar_gamma", "Dollar gamma", "per 1%", ""),
    ("beta_weighted_gamma", "β gamma", "shares per 1", "Beta-weighted gamma"),
    ("theta", "Theta", "per day", ""),
    ("vega", "Vega", "per point", ""),
)
# Always zero for what is no option.
OPTION_COLUMNS = frozenset({"gamma", "dollar_gamma", "beta_weighted_gamma", "theta", "vega"})
BETA_SOURCES = {"set": "set", "history": "history", "self": "itself"}
MODELS = {"european": "European", "american": "American", "linear": "linear"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One scenario of the heat map; ``level`` runs from 0 (zero) to ``LEVELS`` (the most)."""

    reference: str
    address: str
    pnl: float | None
    share: float | None
    level: int
    mark: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Row:
    spot: float
    cells: list[Cell]


@register.simple_tag(takes_context=True)
def heat_map(
    context: Mapping[str, Any],
    grid: Mapping[str, Any],
    day: Number,
    net_liquidation: Number | None,
) -> Sequence[Row]:
    """Return the rows of one day, highest spot first. All days share one colour scale."""
    axes = grid["axes"]
    plane = grid["pnl"][list(axes["days"]).index(day)]
    pnls = [pnl for each in grid["pnl"] for row in each for pnl in row if pnl is not None]
    most = max(map(abs, pnls), default=0)
    marks = {scenario_reference(grid[name]): name for name in ("best", "worst") if grid.get(name)}
    chosen = scenario_reference(grid["cell"]) if grid.get("cell") else ""
    query = context["request"].GET.copy()
    query["day"] = f"{day:g}"
    query.pop("cell", None)
    address = f"{reverse('risk')}?{query.urlencode()}&cell="

    def cell(spot: float, vol: float, pnl: float | None) -> Cell:
        reference = f"{spot:g},{vol:g},{day:g}"
        return Cell(
            reference=reference,
            address=f"{address}{reference}#risk-cell",
            pnl=pnl,
            share=ratio(pnl, net_liquidation),
            level=_level(pnl, most),
            mark=marks.get(reference, ""),
            chosen=reference == chosen,
        )

    return [
        Row(spot, [cell(spot, vol, plane[line][place]) for line, vol in enumerate(axes["vol"])])
        for place, spot in reversed(list(enumerate(axes["spot"])))
    ]


@register.simple_tag
def heat_cell(cell: Cell) -> SafeString:
    """Return a heat-map cell: a link that selects it, with P&L and share of net liq."""
    mark = f' data-mark="{cell.mark}"' if cell.mark else ""
    word = f'<b class="mark">{cell.mark}</b>' if cell.mark else ""
    chosen = (" data-chosen", ' aria-current="true"') if cell.chosen else ("", "")
    return SafeString(
        f'<td data-sign="{formatting.sign(cell.pnl, 0)}" data-level="{cell.level}"'
        f'{mark}{chosen[0]}><a href="{escape(cell.address)}" data-swap="scenarios"'
        f' data-cell="{cell.reference}"{chosen[1]}>{signed_compact(cell.pnl)}'
        f"<small>{shown(formatting.percent(cell.share))}</small>{word}</a></td>"
    )


def _level(pnl: float | None, most: float) -> int:
    """Square root of the share of the most, so small P&Ls stay distinguishable from zero."""
    if pnl is None or most <= 0 or round(pnl) == 0:
        return 0
    return max(1, math.ceil(math.sqrt(abs(pnl) / most) * LEVELS))


@register.filter
def scenario_reference(cell: Mapping[str, Any]) -> str:
    """``spot,vol,days`` as the address names a cell."""
    return f"{cell['spot']:g},{cell['vol']:g},{cell['days']:g}"


@register.filter
def ahead(days: int | None) -> SafeString:
    """``today``, ``in 1 day``, ``in 30 days``: when a scenario is."""
    if days is None:
        return shown(None)
    return SafeString(f"in {counted(int(days), 'day')}" if days else "today")


@register.filter
def axis(value: Number | None) -> SafeString:
    """Return a step of an axis: signed, with no more decimals than it has."""
    return shown(formatting.quantity(value))


@register.filter
def signed_compact(value: Number | None) -> SafeString:
    """Three figures and the sign of a profit or loss: ``+12.3k``."""
    text = formatting.compact(value)
    if text is None or text.startswith(formatting.MINUS) or not text.strip("0."):
        return shown(text)
    return SafeString("+" + text)


@register.filter
def largest(rows: Iterable[Mapping[str, Any]], name: str) -> float:
    """Return a column's largest absolute value, for bars on one scale; 0 if none is known."""
    return max((abs(float(row[name])) for row in rows if row[name] is not None), default=0.0)


@register.simple_tag
def bar(value: Number | None, most: Number) -> SafeString:
    """Return a bar from the middle: right for gains, left for losses."""
    size = 0.0 if value is None or not most else min(1.0, abs(float(value)) / float(most)) * 50
    start = 50 - size if value is not None and value < 0 else 50
    return SafeString(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect data-sign="{formatting.sign(value, 0)}" x="{start:.1f}" width="{size:.1f}" '
        'height="8"/><path d="M50 0V8"/></svg>'
    )


@register.simple_tag
def risk_columns(mixed: bool = False) -> Sequence[tuple[str, str, str, str]]:
    """Return the columns of a breakdown. ``mixed`` rows sum several underlyings, so not their
    units."""
    return [each for each in COLUMNS if not (mixed and each[0] in UNIT_COLUMNS)]


@register.simple_tag
def figures(row: Mapping[str, Any], mixed: bool = False) -> SafeString:
    """Return a row's cells under ``risk_columns``; of a linear leg those without its zeros."""
    unsaid = OPTION_COLUMNS if row.get("model") == "linear" else ()
    return SafeString(
        "".join(
            f'<td class="end">{shown(None if name in unsaid else formatting.compact(row[name]))}'
            "</td>"
            for name, *_ in risk_columns(mixed)
        )
    )


@register.filter
def beta_source_name(value: str | None) -> str:
    return BETA_SOURCES.get(value, value) if value else ""


@register.filter
def model_name(value: str | None) -> str:
    return MODELS.get(value, value) if value else ""


@register.simple_tag
def counted(number: int | None, one: str, many: str = "") -> SafeString:
    """``1 leg``, ``7 legs``; empty for ``None``."""
    if not number:
        return SafeString("")
    return SafeString(f"{number:,} {escape(one if number == 1 else many or one + 's')}")


@register.filter
def leg_label(leg: Mapping[str, Any]) -> str:
    """``SPY 600 P`` for an option; with its expiry if only the symbol tells it."""
    if "right" in leg:
        return contract_label(leg)
    return contract_name(leg["symbol"])
