"""Which volatility index speaks for an underlying. Source: Cboe's and NSE's lists of indices."""

from __future__ import annotations

from typing import Final

_UNDERLYINGS: Final = {
    "VIX": "SPX SPXW XSP SPY ES MES SP VIX",
    "VXN": "NDX XND QQQ NQ MNQ",
    "RVX": "RUT MRUT IWM RTY M2K",
    "VXD": "DJX DIA YM MYM",
    "GVZ": "GLD GC MGC",
    "OVX": "USO CL MCL",
    "VXEEM": "EEM",
    "VXAPL": "AAPL",
    "VXAZN": "AMZN",
    "VXGOG": "GOOG GOOGL",
    "VXGS": "GS",
    "VXIBM": "IBM",
    "INDIAVIX": "NIFTY",
}
_INDEX_OF: Final = {
    underlying: index for index, names in _UNDERLYINGS.items() for underlying in names.split()
}
#: The index of a market as a whole, by the currency it trades in.
MARKET_INDEX: Final = {"USD": "VIX", "INR": "INDIAVIX"}


def volatility_index_of(underlying: str) -> str | None:
    """Return the index of an underlying's 30-day implied volatility; ``None`` without one.

    Futures may have their slash and month: ``/ES``, ``/ESU4``.
    """
    name = underlying.strip().upper()
    if name.startswith(("/", "./")):
        name = name.lstrip("./")
        product = name.rstrip("0123456789")
        name = product[:-1] if product != name else product
    return _INDEX_OF.get(name)
