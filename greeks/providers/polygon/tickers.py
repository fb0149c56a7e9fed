"""How Polygon.io names things: ``O:`` before options, ``I:`` before indices, ``BRK.B``.

An option's ticker is the OCC symbol without its padding (``O:SPY260117C00600500``); an adjusted
contract has its own root (``O:AAPL1…``). Source: the vendor's reference documentation.
"""

from __future__ import annotations

import re
from typing import Any, Final

from greeks.domain import Contract, GreeksSource, InstrumentKind
from greeks.indices import is_index
from greeks.instruments.occ import OptionSymbol, OptionSymbolError, parse_occ

SOURCE: Final = GreeksSource.POLYGON.value
OPTION_PREFIX: Final = "O:"
INDEX_PREFIX: Final = "I:"
#: Only US options are covered.
CURRENCY: Final = "USD"
_CLASS_SEPARATOR = re.compile(r"[ /-]")


def option_ticker(contract: Contract) -> str | None:
    """Return the vendor's name of an option; ``None`` if not covered."""
    if contract.kind is not InstrumentKind.OPTION or contract.currency != CURRENCY:
        return None
    if contract.expiry is None or contract.strike is None or contract.right is None:
        return None
    root = _CLASS_SEPARATOR.sub("", contract.root or contract.underlying).upper()
    try:
        symbol = OptionSymbol(root, contract.expiry, contract.right, contract.strike)
    except OptionSymbolError:
        return None
    return OPTION_PREFIX + symbol.standard.compact


def underlying_ticker(symbol: str) -> str:
    """``SPX`` → ``I:SPX``, ``BRK B`` → ``BRK.B``."""
    symbol = symbol.upper().strip()
    return INDEX_PREFIX + symbol if is_index(symbol) else _CLASS_SEPARATOR.sub(".", symbol)


def parse_option_ticker(ticker: Any) -> OptionSymbol:
    """Parse an option's ticker. Raises ``OptionSymbolError`` if it is none."""
    if not isinstance(ticker, str) or not ticker.startswith(OPTION_PREFIX):
        raise OptionSymbolError(f"{ticker!r:.40} is not an option's ticker")
    return parse_occ(ticker.removeprefix(OPTION_PREFIX))
