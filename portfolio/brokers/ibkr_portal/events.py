"""Event contracts: IBKR sends them as options of a right (C is yes, P is no) and a strike.

The portal marks them (``isEventContract``); elsewhere the exchange or the trading class tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_EXCHANGES = frozenset({"FORECASTX", "FORECASTEX"})
#: CME's: EC and the product, ``ECES``.
_CLASS = re.compile(r"EC(ES|NQ|RTY|YM|CL|NG|GC|SI|HG|6E|EUR|BTC|ETH)", re.ASCII)


def is_event(row: Mapping[str, Any]) -> bool:
    listed = row.get("listingExchange") or row.get("exchange")
    trading_class = row.get("tradingClass")
    return (
        row.get("isEventContract") is True
        or (isinstance(listed, str) and listed.upper() in _EXCHANGES)
        or (isinstance(trading_class, str) and _CLASS.fullmatch(trading_class) is not None)
    )
