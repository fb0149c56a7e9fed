"""Streamer symbols: dxFeed's names for the instruments that Tastytrade trades.

Options are ``.SPY260117C600.5`` (``greeks.instruments.occ``); equities and indices keep their
ticker, share classes with a slash (``BRK/B``, its options ``.BRK/B260117C480``). Futures and
options on them carry an exchange that only the vendor's instrument lists know; cryptocurrencies
too, which are not streamed.
"""

from __future__ import annotations

import re
from typing import Final

from greeks.domain import InstrumentKind
from greeks.instruments.occ import OptionSymbolError, parse_occ

_TICKER: Final = re.compile(r"[A-Z0-9][A-Z0-9./-]{0,15}", re.ASCII)
_PLAIN_KINDS: Final = frozenset({InstrumentKind.STOCK, InstrumentKind.INDEX})


def streamer_symbol(kind: InstrumentKind, symbol: str) -> str | None:
    """Return the streamer symbol of a Tastytrade symbol; ``None`` if it cannot be streamed."""
    if kind is InstrumentKind.OPTION:
        try:
            return parse_occ(symbol).streamer
        except OptionSymbolError:
            return None
    return symbol if kind in _PLAIN_KINDS and _TICKER.fullmatch(symbol) else None
