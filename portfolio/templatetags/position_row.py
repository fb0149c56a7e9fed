"""A position as a row of the page's table.

Built in Python, not in a template: 200 positions have 5,000 values, and template lookup and
escaping would take four times as long as the rest of the page. Only outside text is escaped; the
rest is digits and constants. ``static/js/risk_monitor/position_cells.js`` writes the same texts
into clones of this markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Any

from django import template
from django.utils.safestring import SafeString

from config.core.templatetags.desk import age, change, instrument_type_name, shown, source_badge
from config.core.web import formatting
from greeks.domain import GreeksSource

register = template.Library()

# Decimals of a Greek: for the whole leg, and per unit.
_GREEK_DIGITS = {"delta": (1, 4), "gamma": (3, 5), "theta": (2, 4), "vega": (2, 4)}
_NO_SOURCE = (
    '<span class="source" data-field="greeks_source" data-source=""></span> '
    '<small><time class="age" data-field="greeks_as_of" data-clock="market" data-compared></time>'
    "</small>"
)


@register.simple_tag
def position_row(row: Mapping[str, Any]) -> SafeString:
    """Return the ``<tr>`` of ``portfolio.templatetags.book.shown_position``; where an age stands,
    it holds ``<!instant>``, which nothing from outside can, because that is escaped."""
    is_option = bool(row["right"])
    if row["expiry"]:
        detail = f"{formatting.day(row['expiry'])} · {row['dte']}d"
    else:
        detail = escape(instrument_type_name(row["instrument_type"]))
    greeks = "".join(_greek_cell(name, row) for name in _GREEK_DIGITS)
    return SafeString(
        f'<tr data-position="{escape(row["id"])}" data-key="{escape(row["key"])}">'
        f'<th scope="row" class="c-contract"><a data-field="contract"'
        f' href="/trades/position/{escape(row["id"])}">{escape(row["contract"])}</a>'
        f"{_small('detail', detail)}{_small('note', escape(row['note']))}</th>"
        f'<td class="c-account">{_big("account_id", escape(row["account_id"]))}</td>'
        f'<td class="c-quantity">{_big("quantity", shown(formatting.quantity(row["quantity"])))}'
        f"<small>@ {_big('avg_price', shown(formatting.price(row['avg_price'])))}</small></td>"
        f'<td class="c-price">{_big("price", shown(formatting.price(row["price"])))}'
        f"<small>{_age('price_as_of', row)}</small>"
        f"{_small('price_source', _price_mark(row['price_source']))}</td>"
        f'<td class="c-value">'
        f"{_big('market_value', shown(formatting.number(row['market_value'], 0)))}"
        f"{_small('currency', escape(row['currency'] or ''))}"
        f"{_small('value_conflict', '≠ broker' if row['value_conflict'] else '')}</td>"
        f'<td class="c-unrealized">{change(row["unrealized_pnl"], 0, "unrealized_pnl")}</td>'
        f'<td class="c-day">{change(row["daily_change"], 0, "daily_change")}'
        f"{_small('daily_change_percent', shown(formatting.points(row['daily_change_percent'])))}"
        f"</td>{greeks}"
        f'<td class="c-iv">'
        f"{_big('iv', shown(formatting.percent(row['iv'])) if is_option else '')}"
        f"{_small('open_interest', _open_interest(row) if is_option else '')}</td>"
        f'<td class="c-source">{_source(row) if is_option else _NO_SOURCE}</td></tr>'
    )


def _big(field: str, text: str) -> str:
    return f'<span data-field="{field}">{text}</span>'


def _small(field: str, text: str) -> str:
    return f'<small data-field="{field}">{text}</small>'


def _greek_cell(name: str, row: Mapping[str, Any]) -> str:
    of_leg, of_unit = _GREEK_DIGITS[name]
    return (
        f'<td class="c-{name}">'
        f"{_big(f'leg_{name}', shown(formatting.number(row[f'leg_{name}'], of_leg)))}"
        f"{_small(name, shown(formatting.number(row[name], of_unit)))}</td>"
    )


def _open_interest(row: Mapping[str, Any]) -> str:
    return shown(formatting.number(row["open_interest"], 0))


def _price_mark(price_source: str | None) -> str:
    """``mid`` if the broker's mark lay outside bid and ask and the mid replaced it; ``model`` if
    the underlying moved since the option's own price."""
    if price_source == GreeksSource.MODEL:
        return "model"
    return "mid" if (price_source or "").endswith(" mid") else ""


def _source(row: Mapping[str, Any]) -> str:
    badge = source_badge(row["greeks_source"], row["greeks_last_known"], "greeks_source")
    return f"{badge} <small>{_age('greeks_as_of', row)}</small>"


def _age(field: str, row: Mapping[str, Any]) -> str:
    at: datetime | None = row[field]
    hole = f"<!{at.isoformat()}>" if at else None
    return age(at, "market", field, is_compared=True, newest=row["newest"], text=hole)
