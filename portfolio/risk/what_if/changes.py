"""Parse the changes of a what-if strictly, naming the field of each problem."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NoReturn

from config.core.errors import invalid

MOST_CHANGES = 50
_LARGEST_QUANTITY = 1e9
_LARGEST_PRICE = 1e9
_LARGEST_VOLATILITY = 10.0
_SYMBOL = re.compile(r"[A-Z0-9/][A-Z0-9./_-]{0,31}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_FIELDS = {
    "add": {
        "action", "underlying", "instrument_type", "expiry", "strike", "right", "quantity",
        "price", "implied_volatility", "currency",
    },
    "change": {"action", "position_id", "quantity"},
    "close": {"action", "position_id"},
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A leg that is not held. Options need expiry, strike and right; stock has none of them.

    ``quantity`` is signed, ``price`` per unit of the underlying, ``implied_volatility`` a fraction;
    ``currency`` is empty if not given.
    """

    underlying: str
    instrument_type: str
    quantity: float
    expiry: date | None = None
    strike: float | None = None
    right: str = ""
    price: float | None = None
    implied_volatility: float | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A held position with another quantity; zero closes it."""

    position_id: str
    quantity: float


Change = Added | Changed


def parse_changes(changes: Any, *, today: date, held: set[str]) -> list[Change]:
    """Parse the changes in order. ``held`` are the ids of positions that may be named.

    Raises:
        InvalidInput: names the field, like ``changes.0.strike``.
    """
    if not isinstance(changes, Sequence) or isinstance(changes, str | bytes):
        raise invalid("changes", "Expected a list.")
    if not changes:
        raise invalid("changes", "Expected at least one change.")
    if len(changes) > MOST_CHANGES:
        raise invalid("changes", f"At most {MOST_CHANGES} changes are allowed.")
    parsed: list[Change] = []
    named: set[str] = set()
    for index, row in enumerate(changes):
        one = _Row(f"changes.{index}", row)
        action = one.choice("action", tuple(_FIELDS))
        one.refuse_unknown(_FIELDS[action])
        if action == "add":
            parsed.append(_added(one, today=today))
            continue
        position_id = str(one.given("position_id"))
        if position_id not in held:
            one.refuse("position_id", "No such position.")
        if position_id in named:
            one.refuse("position_id", "Changed more than once.")
        named.add(position_id)
        quantity = 0.0 if action == "close" else one.number("quantity", highest=_LARGEST_QUANTITY)
        parsed.append(Changed(position_id=position_id, quantity=quantity))
    return parsed


def _added(row: _Row, *, today: date) -> Added:
    underlying = str(row.given("underlying")).strip().upper()
    if not _SYMBOL.fullmatch(underlying):
        row.refuse("underlying", "Not a symbol.")
    kind = row.choice("instrument_type", ("option", "stock"))
    quantity = row.number("quantity", highest=_LARGEST_QUANTITY)
    if quantity == 0:
        row.refuse("quantity", "Must not be zero.")
    price = row.optional_number("price", lowest=0.0, highest=_LARGEST_PRICE)
    currency = ""
    if row.values.get("currency") not in (None, ""):
        currency = str(row.given("currency")).strip().upper()
        if not _CURRENCY.fullmatch(currency):
            row.refuse("currency", "Not a currency's three letters.")
    if kind == "stock":
        if underlying.startswith("/"):
            row.refuse("underlying", "A future is not a stock.")
        for name in ("expiry", "strike", "right", "implied_volatility"):
            if row.values.get(name) is not None:
                row.refuse(name, "Not allowed for stock.")
        option = {}
    else:
        option = _option_added(row, today=today)
    return Added(
        underlying=underlying,
        instrument_type=kind,
        quantity=quantity,
        price=price,
        currency=currency,
        **option,
    )


def _option_added(row: _Row, *, today: date) -> dict[str, Any]:
    expiry = row.day("expiry")
    if expiry < today:
        row.refuse("expiry", "Is past.")
    strike = row.number("strike", lowest=0.0, highest=_LARGEST_PRICE)
    if strike == 0:
        row.refuse("strike", "Expected more than 0.")
    volatility = row.optional_number("implied_volatility", lowest=0.0, highest=_LARGEST_VOLATILITY)
    if volatility == 0:
        row.refuse("implied_volatility", "Expected more than 0.")
    right = row.choice("right", ("C", "P"))
    return {"expiry": expiry, "strike": strike, "right": right, "implied_volatility": volatility}


class _Row:
    """One change as received."""

    def __init__(self, path: str, values: Any) -> None:
        self.path = path
        if not isinstance(values, Mapping):
            raise invalid(path, "Expected an object.")
        self.values = values

    def refuse(self, name: str, problem: str) -> NoReturn:
        raise invalid(f"{self.path}.{name}", problem)

    def refuse_unknown(self, known: set[str]) -> None:
        for name in sorted(str(each) for each in self.values):
            if name not in known:
                shown = re.sub(r"[^\w.-]", "?", name, flags=re.ASCII)[:40] or "?"
                self.refuse(shown, "Not a field here. Known: " + ", ".join(sorted(known)) + ".")

    def given(self, name: str) -> Any:
        value = self.values.get(name)
        if value is None or value == "":
            self.refuse(name, "Missing.")
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            self.refuse(name, "Expected text or a number.")
        return value

    def choice(self, name: str, choices: Sequence[str]) -> str:
        value = self.given(name)
        if value not in choices:
            self.refuse(name, "Expected one of: " + ", ".join(choices) + ".")
        return str(value)

    def number(self, name: str, *, lowest: float | None = None, highest: float) -> float:
        value = self.given(name)
        if isinstance(value, str) and not _NUMBER.fullmatch(value):
            self.refuse(name, "Expected a number.")
        try:
            number = float(value)
        except OverflowError:
            self.refuse(name, "Expected a number.")
        low = -highest if lowest is None else lowest
        if not math.isfinite(number) or not low <= number <= highest:
            self.refuse(name, f"Expected {low:g} to {highest:g}.")
        return number

    def optional_number(self, name: str, *, lowest: float, highest: float) -> float | None:
        if self.values.get(name) in (None, ""):
            return None
        return self.number(name, lowest=lowest, highest=highest)

    def day(self, name: str) -> date:
        value = self.values.get(name)
        if isinstance(value, date):
            return value
        text = str(self.given(name))
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            self.refuse(name, "Expected YYYY-MM-DD.")
        try:
            return date.fromisoformat(text)
        except ValueError:
            self.refuse(name, "No such day.")
