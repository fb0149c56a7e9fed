"""Tastytrade's lists of futures and of options on them."""

from __future__ import annotations

from decimal import Decimal

from greeks.domain import Contract
from portfolio.sandbox.tastytrade.instruments import Payload, amount, expiry_instant, timestamp


def future(contract: Contract) -> Payload:
    """Return a row of /instruments/futures."""
    root = contract.root
    return {
        "symbol": contract.symbol,
        "product-code": root.removeprefix("/"),
        "contract-size": "1.0",
        "tick-size": "0.25",
        "notional-multiplier": amount(contract.multiplier),
        "main-fraction": "0.0",
        "sub-fraction": "0.0",
        "display-factor": "0.01",
        "last-trade-date": f"{contract.expiry}",
        "expiration-date": f"{contract.expiry}",
        "closing-only-date": f"{contract.expiry}",
        "active": True,
        "active-month": True,
        "next-active-month": False,
        "is-closing-only": False,
        "stops-trading-at": timestamp(expiry_instant(contract)),
        "expires-at": timestamp(expiry_instant(contract)),
        "product-group": f"CME_{root.removeprefix('/')}",
        "exchange": "CME",
        "streamer-exchange-code": "XCME",
        "streamer-symbol": f"{contract.symbol}:XCME",
        "is-tradeable": True,
    }


def future_option(contract: Contract) -> Payload:
    """Return a row of /instruments/future-options, with the fields that the desk may read."""
    right = contract.right.value if contract.right else ""
    strike = contract.strike or Decimal(0)
    return {
        "symbol": contract.symbol,
        "underlying-symbol": contract.underlying,
        "product-code": contract.root,
        "expiration-date": f"{contract.expiry}",
        "root-symbol": contract.underlying,
        "option-root-symbol": contract.root,
        "strike-price": amount(strike),
        "exchange": "CME",
        "exchange-symbol": contract.symbol,
        "streamer-symbol": f".{contract.underlying}{right}{strike:f}:XCME",
        "option-type": right,
        "exercise-style": "American",
        "is-vanilla": True,
        "active": True,
        "is-closing-only": False,
        "multiplier": amount(contract.multiplier),
        "expires-at": timestamp(expiry_instant(contract)),
        "stops-trading-at": timestamp(expiry_instant(contract)),
    }
