"""A market's chain and minutes as table rows.

A chain has some two thousand cells, so they are written here from digits and constants instead of
template look-ups. ``static/js/market/chain.js`` writes the same cells live.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from django import template
from django.utils.safestring import SafeString

from config.core.templatetags.desk import change, shown
from config.core.web import formatting
from greeks.market.latest import at_the_money
from greeks.market.measures import DIGITS, STEPS, minute_text

register = template.Library()

#: Columns of the calls from the outside in, with heading and unit; those of the puts are mirrored.
COLUMNS = (
    ("open_interest", "OI", ""),
    ("open_interest_change", "OI change", "of the day"),
    ("volume", "Volume", ""),
    ("theta", "Theta", "per day"),
    ("gamma", "Gamma", "per 1"),
    ("vega", "Vega", "per point"),
    ("delta", "Delta", ""),
    ("iv", "IV", ""),
    ("last", "Last", ""),
)
#: Number of bar lengths; the largest value of the chain has the last.
LEVELS = 10
_SIDES = ("call", "put")
_GREEKS = frozenset(("iv", *DIGITS))


@register.filter
def step_name(resolution: str) -> str:
    """``5m`` → ``5 minutes``: the span of a change."""
    return STEPS[resolution]


@register.simple_tag
def chain_head() -> SafeString:
    """Return the headings: calls, strike, puts, and the columns below them."""
    headings = [
        f'<th scope="col" class="c-{name} {side}-side">{label}'
        f"{f' <span class=unit>{unit}</span>' if unit else ''}</th>"
        for side, columns in (("call", COLUMNS), ("put", tuple(reversed(COLUMNS))))
        for name, label, unit in columns
    ]
    half = len(COLUMNS)
    strike = '<th scope="col" class="c-strike">Strike</th>'
    return SafeString(
        f'<thead><tr class="chain-sides"><th scope="colgroup" colspan="{half}">Calls</th>'
        f'<td class="c-strike"></td><th scope="colgroup" colspan="{half}">Puts</th></tr>'
        f"<tr>{''.join(headings[:half])}{strike}{''.join(headings[half:])}</tr></thead>"
    )


@register.simple_tag
def chain_rows(chain: Mapping[str, Any] | None, measure: str) -> SafeString:
    """Return every strike; the bars show ``measure``. Empty if no chain is known."""
    if chain is None:
        return SafeString("")
    strikes = chain["strikes"]
    most = max(
        (abs(value) for row in strikes for side in _SIDES if (value := _value(row[side], measure))),
        default=0.0,
    )
    atm = at_the_money(strikes, chain["spot"])
    return SafeString(
        "".join(
            _row(row, spot=chain["spot"], measure=measure, most=most, is_atm=row["strike"] == atm)
            for row in strikes
        )
    )


@register.simple_tag
def chain_mould() -> SafeString:
    """Return a row of missing values, which the page's script copies."""
    return SafeString(
        _row({"strike": None, "call": None, "put": None}, spot=None, measure="", most=0.0)
    )


def _row(
    row: Mapping[str, Any],
    *,
    spot: float | None,
    measure: str,
    most: float,
    is_atm: bool = False,
) -> str:
    strike = row["strike"]
    inside = ""
    if spot is not None and strike is not None and strike != spot:
        inside = f' data-inside="{"call" if strike < spot else "put"}"'
    calls, puts = (
        [_cell(row[side], side, name, measure, most) for name, _, _ in COLUMNS] for side in _SIDES
    )
    return (
        f'<tr data-strike="{"" if strike is None else f"{strike:g}"}"{inside}'
        f"{' data-atm' if is_atm else ''}>{''.join(calls)}"
        f'<th scope="row" class="c-strike"><span>{shown(formatting.strike(strike))}</span></th>'
        f"{''.join(reversed(puts))}</tr>"
    )


def _cell(
    contract: Mapping[str, Any] | None, side: str, name: str, measure: str, most: float
) -> str:
    value = _value(contract, name)
    by = (contract or {}).get("greeks_source") if name in _GREEKS else None
    model = ' data-by="model"' if by == "model" else ""
    level = f' data-level="{_level(value, most)}"' if name == measure else ""
    text = _text(name, value)
    sign = ""
    if name == "open_interest_change":
        sign = f' data-sign="{formatting.sign(value, 0)}"'
    return f'<td class="c-{name} {side}-side"{sign}{model}{level}>{shown(text)}</td>'


def _value(contract: Mapping[str, Any] | None, name: str) -> float | None:
    if contract is None:
        return None
    if name == "open_interest_change":
        now, before = contract["open_interest"], contract["previous_open_interest"]
        return None if now is None or before is None else now - before
    value: float | None = contract[name]
    return value


def _text(name: str, value: float | None) -> str | None:
    if name in DIGITS:
        return formatting.number(value, DIGITS[name])
    if name == "iv":
        return formatting.percent(value)
    if name == "last":
        return formatting.price(value)
    text = formatting.counted(value)
    is_rise = name == "open_interest_change" and (value or 0) > 0
    return f"+{text}" if is_rise else text


def _level(value: float | None, most: float) -> int:
    """Bar length: 0 for zero or missing, ``LEVELS`` for the largest."""
    return math.ceil(abs(value) / most * LEVELS) if value and most > 0 else 0


@register.simple_tag
def minute_rows(minutes: Mapping[str, Any] | None, greeks: Iterable[Any]) -> SafeString:
    """Return the last minutes, newest first: both sides' change in the minute and from the open."""
    shown_greeks = [(greek.name, greek.digits) for greek in greeks]
    lines = []
    for row in reversed(minutes["rows"] if minutes else ()):
        cells = "".join(
            f'<td class="end">{change(row["series"][name]["total"][measure], digits)}</td>'
            for name, digits in shown_greeks
            for measure in ("change", "from_open")
        )
        lines.append(
            f'<tr><th scope="row">{minute_text(row)}</th>{cells}'
            f'<td class="end">{shown(formatting.number(row["spot"]))}</td></tr>'
        )
    return SafeString("".join(lines))


@register.filter
def unlocalized(value: float) -> SafeString:
    """Return a number as an HTML attribute needs it."""
    return SafeString(f"{value:g}")
