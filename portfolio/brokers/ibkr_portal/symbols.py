"""The symbol under which a contract of IBKR is shown."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from greeks.domain import InstrumentKind, Right
from greeks.instruments.occ import OptionSymbol, OptionSymbolError
from greeks.providers.decoding import BadRow


def display_symbol(
    kind: InstrumentKind,
    currency: str,
    underlying: str,
    root: str,
    expiry: date | None,
    strike: Decimal | None,
    right: Right | None,
) -> str:
    if kind is InstrumentKind.EVENT and expiry:
        side = {Right.CALL: " yes", Right.PUT: " no", None: ""}[right]
        return f"{root} {expiry:%Y%m%d} {strike or Decimal():f}{side}"
    if kind is InstrumentKind.OPTION and expiry and strike and right:
        try:
            return OptionSymbol(root.replace("/", ""), expiry, right, strike).occ
        except OptionSymbolError as error:
            if currency == "USD":
                raise BadRow(f"option symbol: {error}") from None
        # Abroad roots and strikes may not fit the OCC's form: BANKNIFTY, M&M, 123.4567.
    if expiry and strike is not None and right:
        return f"{root} {expiry:%Y%m%d} {right.value} {strike.normalize():f}"
    if kind is InstrumentKind.FUTURE and expiry:
        return f"{root} {expiry:%Y%m%d}"
    if kind is InstrumentKind.CURRENCY:
        # A pair, as statements name it.
        return f"{underlying}.{currency}"
    return underlying
