"""The table of kinds: one contract of each that the simulated accounts hold."""

from __future__ import annotations

import re
from typing import NamedTuple

IBKR, TASTYTRADE = "DU1000001", "5WX00001"
#: Why a leg is in no scenario.
EVENT = "an event contract: no model values it"


class Kind(NamedTuple):
    """A kind of contract as one account holds it; ``key`` is a pattern of its identity."""

    name: str
    account: str
    key: str
    has_greeks: bool = False
    left_out: str = ""

    def of(self, keys: list[str]) -> str:
        """Return the kind's contract among identities."""
        found = [key for key in keys if re.fullmatch(self.key, key)]
        assert found, f"{self.name}: none of {keys}"
        return found[0]


_DAY, _STRIKE = r"\d{8}", r"[\d.]+"
KINDS = (
    Kind("ETF", IBKR, "stock:SPY:USD"),
    Kind("share", IBKR, "stock:AAPL:USD"),
    Kind("share in pence", IBKR, "stock:SHEL:GBP"),
    Kind("equity option", IBKR, rf"option:AAPL:{_DAY}:{_STRIKE}:C:100:USD", True),
    Kind("index option AM", IBKR, rf"option:SPX:{_DAY}:{_STRIKE}:P:100:USD", True),
    Kind("index option AM, Wednesday", IBKR, rf"option:VIX:{_DAY}:{_STRIKE}:C:100:USD", True),
    Kind("index option PM", IBKR, rf"option:SPXW:{_DAY}:{_STRIKE}:P:100:USD", True),
    Kind("option in euros", IBKR, rf"option:SAP:{_DAY}:{_STRIKE}:P:100:EUR", True),
    Kind("option in rupees", IBKR, rf"option:NIFTY50:{_DAY}:{_STRIKE}:C:75:INR", True),
    Kind("future", IBKR, rf"future:MES:{_DAY}:5:USD"),
    Kind("option on a future", IBKR, rf"future_option:MES:{_DAY}:{_STRIKE}:P:5:USD", True),
    Kind("future in cents", IBKR, rf"future:ZC:{_DAY}:5000:USD"),
    Kind("future below zero", IBKR, rf"future:NW:{_DAY}:2500:USD"),
    Kind("event contract", IBKR, rf"event_contract:FF:{_DAY}:3\.125:C:1:USD", left_out=EVENT),
    Kind("adjusted option", TASTYTRADE, rf"option:NVDA1:{_DAY}:{_STRIKE}:C:100:USD", True),
    Kind("future at Tastytrade", TASTYTRADE, rf"future:MES:{_DAY}:5:USD"),
    Kind(
        "option on a future at Tastytrade",
        TASTYTRADE,
        rf"future_option:MES:{_DAY}:{_STRIKE}:P:5:USD",
        True,
    ),
)
