"""The positions of a risk-monitor body as the page's table shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

from django import template

from config.core.web import formatting
from greeks.domain import InstrumentKind
from greeks.instruments.names import held_name
from portfolio.book.shapes import PositionRow
from portfolio.risk_monitor.shapes import AccountRow, ExpiryGroup, UnderlyingGroup

register = template.Library()

GREEKS = ("delta", "gamma", "theta", "vega")

# Column, heading and unit of the positions table; the script sorts by the first.
COLUMNS = (
    ("contract", "Contract", ""),
    ("account", "Account", ""),
    ("quantity", "Quantity", "@ average"),
    ("price", "Mark", "age"),
    ("value", "Value", ""),
    ("unrealized", "Unrealized", "since entry"),
    ("day", "Today", "change"),
    ("delta", "Delta", "units"),
    ("gamma", "Gamma", "per 1"),
    ("theta", "Theta", "per day"),
    ("vega", "Vega", "per point"),
    ("iv", "IV", "open int."),
    ("source", "Source", "age"),
)
NO_SUBTOTALS: Mapping[str, Any] = dict.fromkeys(
    (*UnderlyingGroup.__struct_fields__, *ExpiryGroup.__struct_fields__)
)
GREEK_CHOICES = (
    ("dollar_delta", "Dollar Δ"),
    ("dollar_gamma", "Dollar Γ"),
    ("theta", "Theta"),
    ("vega", "Vega"),
)


class PositionGroup(TypedDict):
    """One underlying: its subtotals (``None`` where the body has none) and its rows."""

    underlying: str
    subtotals: Mapping[str, Any]
    rows: list[dict[str, Any]]


def shown_position(row: Mapping[str, Any], *, newest: datetime | None = None) -> dict[str, Any]:
    """Add what the table needs: label, signed Greeks × size, and the book's newest time.

    What is no option shows its delta only: zeros beside it say nothing.
    """
    size = _size(row)
    greeks = {name: row[name] if row["right"] or name == "delta" else None for name in GREEKS}
    leg = {
        f"leg_{name}": None if size is None or value is None else float(value) * size
        for name, value in greeks.items()
    }
    added = {
        "contract": contract_label(row),
        "note": contract_note(row),
        "key": sort_key(row),
        "newest": newest,
    }
    return {**row, **greeks, **leg, **added}


def _size(row: Mapping[str, Any]) -> float | None:
    if row["quantity"] is None or row["deliverable"] is None:
        return None
    return float(row["quantity"]) * float(row["deliverable"])


def contract_note(row: Mapping[str, Any]) -> str:
    """Name an event contract; say which future and what an adjusted option delivers, and a style of
    exercise that nobody knows; empty for anything else."""
    if row["instrument_type"] == InstrumentKind.EVENT:
        return "event contract"
    if not row["right"]:
        return ""
    unknown = row["instrument_type"] == InstrumentKind.OPTION and not row["exercise_style"]
    month = row["future_expiry"]
    future = f"future {formatting.day(month)}" if month else ""
    notes = (
        future,
        _delivery(row),
        "exercise style unknown, priced as American" if unknown else "",
    )
    return "; ".join(note for note in notes if note)


def _delivery(row: Mapping[str, Any]) -> str:
    if row["deliverable"] is None:
        return "deliverable unknown"
    if row["deliverable"] == row["multiplier"] and not row["deliverable_cash"]:
        return ""
    cash = row["deliverable_cash"]
    money = f" + {formatting.price(cash)} {row['currency']}" if cash else ""
    return f"delivers {formatting.strike(row['deliverable'])}{money}"


def contract_label(row: Mapping[str, Any]) -> str:
    return held_name(row["symbol"], row["underlying"], row["strike"], row["right"])


def sort_key(row: Mapping[str, Any]) -> str:
    """Expiry, strike and right as one sortable string for the page's script."""
    expiry = row["expiry"].isoformat() if row["expiry"] else ""
    strike = (formatting.strike(row["strike"]) or "").replace(",", "")
    return f"{expiry}|{strike}|{row['right'] or ''}"


@register.simple_tag
def position_groups(body: Mapping[str, Any]) -> list[PositionGroup]:
    """Return the body's positions by underlying, in the body's order, each with its subtotals."""
    subtotals = {row["underlying"]: row for row in body["totals"]["by_underlying"]}
    times = (row[name] for row in body["positions"] for name in ("price_as_of", "greeks_as_of"))
    newest = max((at for at in times if at is not None), default=None)
    groups: dict[str, PositionGroup] = {}
    for row in sorted(body["positions"], key=_order):
        name = row["group"]
        if name not in groups:
            groups[name] = PositionGroup(
                underlying=name, subtotals=subtotals.get(name, NO_SUBTOTALS), rows=[]
            )
        groups[name]["rows"].append(shown_position(row, newest=newest))
    return list(groups.values())


def _order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Sort by underlying, shares first, then expiry, strike and right, as the page's script
    does."""
    expiry = row["expiry"].isoformat() if row["expiry"] else ""
    return (row["group"], expiry, float(row["strike"] or 0), row["right"] or "", row["id"])


@register.simple_tag
def blank_position() -> dict[str, Any]:
    """Return a row of missing values: the template for rows the script adds."""
    row: dict[str, Any] = dict.fromkeys(PositionRow.__struct_fields__)
    return shown_position(row | {"id": "", "symbol": "", "account_id": "", "instrument_type": ""})


@register.simple_tag
def blank_group() -> PositionGroup:
    """Return an empty group, for an underlying that appears while the page is open."""
    return PositionGroup(underlying="", subtotals=NO_SUBTOTALS, rows=[])


@register.simple_tag
def worst_scenario(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the worst cell of the scenarios; missing values until one is computed."""
    blank = dict.fromkeys(("spot", "vol", "days", "pnl", "as_of"))
    return blank | (body["scenarios"]["worst"] or {})


@register.simple_tag
def position_columns() -> Sequence[tuple[str, str, str]]:
    return COLUMNS


@register.simple_tag
def greek_choices() -> Sequence[tuple[str, str]]:
    """Return the series that the chart of the day's Greeks can show."""
    return GREEK_CHOICES


@register.simple_tag
def blank_account() -> dict[str, Any]:
    """Return an account of missing values: the template for a new account's card."""
    return dict.fromkeys(AccountRow.__struct_fields__) | {
        "account_id": "",
        "broker": "",
        "label": "",
    }
