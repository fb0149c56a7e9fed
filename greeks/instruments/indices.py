"""Underlyings that are indices: no vendor has a stock of that name."""

from __future__ import annotations

INDEX_SYMBOLS = frozenset(
    {
        "SPX", "XSP", "NDX", "XND", "RUT", "MRUT", "VIX", "DJX", "OEX", "XEO", "MXEA", "MXEF",
        "NIFTY", "NIFTY50", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "SENSEX", "BANKEX",
    }
)  # fmt: skip


def is_index(symbol: str) -> bool:
    return symbol.upper() in INDEX_SYMBOLS
