"""What a trader calls a contract: ``AAPL 150 C 17 Jan 26`` for ``AAPL  260117C00150000``.

Brokers name contracts in several ways, and only an option of the OCC has one symbol everywhere.
This reads the display symbols that the desk keeps; what none of the forms fits is shown as it is.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Final

from config.core.web import formatting
from greeks.instruments.occ import OptionSymbolError, parse_occ

_STRIKE: Final = r"(?P<strike>-?\d+(?:\.\d+)?)"
#: IBKR's futures, options on them and event contracts; options of NSE.
_LONG: Final = re.compile(
    rf"(?P<name>\S+) (?P<day>\d{{8}})(?: (?:(?P<right>[CP]) {_STRIKE}|(?P<event>\S+ (?:yes|no))))?",
    re.ASCII,
)
#: The class of an option of the OCC: two classes of one index expire on the same day.
_CLASS: Final = re.compile(r"([A-Z0-9][A-Z0-9./-]{0,5}) *\d{6}[CP]\d{8}", re.ASCII)
_SEPARATORS: Final = re.compile(r"[ ./-]")
_DAY: Final = re.compile(r"^(\S+) \d{8}\b", re.ASCII)
#: Tastytrade's options on futures: the future's code, the option's root, and the rest.
_ON_FUTURE: Final = re.compile(
    r"\.(?P<name>/[A-Z0-9]{1,4}?[FGHJKMNQUVXZ]\d)[A-Z0-9 ]* "
    rf"(?P<day>\d{{6}})(?P<right>[CP]){_STRIKE}",
    re.ASCII,
)


def option_name(name: str, strike: Decimal | float, right: str, expiry: date | None = None) -> str:
    """Return ``AAPL 150 C``, or with its expiry ``AAPL 150 C 17 Jan 26``."""
    parts = (name, formatting.strike(strike), right, formatting.day(expiry))
    return " ".join(part for part in parts if part)


def held_name(
    symbol: str, underlying: str, strike: Decimal | float | None, right: str | None
) -> str:
    """Return how the book names a position, beside whose name its expiry stands: ``AAPL 150 C``,
    ``MES`` for ``MES 20270319``; by its class where that is not the underlying's name: ``SPXW
    6,880 P``, ``NVDA1 37.5 C``.
    """
    if right and strike is not None:
        found = _CLASS.fullmatch(symbol)
        if found and found[1] != _SEPARATORS.sub("", underlying):
            return option_name(found[1], strike, right)
        return option_name(underlying, strike, right)
    return _DAY.sub(r"\1", symbol)


def contract_name(symbol: str) -> str:
    """Return how a display symbol reads: name, strike, right, day of expiry."""
    try:
        option = parse_occ(symbol)
    except OptionSymbolError:
        return _other_name(symbol)
    return option_name(option.root, option.strike, option.right.value, option.expiry)


def _other_name(symbol: str) -> str:
    found = _LONG.fullmatch(symbol) or _ON_FUTURE.fullmatch(symbol)
    if found is None:
        return symbol
    parts = found.groupdict()
    try:
        expiry = date.fromisoformat(f"{'20' * (len(parts['day']) == 6)}{parts['day']}")
    except ValueError:
        return symbol
    if parts["right"]:
        return option_name(parts["name"], Decimal(parts["strike"]), parts["right"], expiry)
    words = (parts["name"], parts.get("event"), formatting.day(expiry))
    return " ".join(word for word in words if word)
