"""One expiry of a chain as gamma exposure needs it, whatever form the chain came in."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np

from greeks.chains import Flags, Floats, OptionChain
from greeks.polling.shapes import Contract, MarketChain

#: Of a US contract; NSE's open interest is in units of the underlying already.
CONTRACT_UNITS: Final = 100
# The root of an OCC symbol, with or without padding and Polygon.io's prefix.
_ROOT: Final = re.compile(r"(?:O:)?([0-9]?[A-Z.]{1,6}[0-9]?) *\d{6}[CP]\d{8}", re.ASCII)
_COLUMNS: Final = ("bid", "ask", "open_interest", "iv", "gamma")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExpiryPart:
    """Rows ascend by strike, the call before the put; ``open_interest`` is in units (OI · M).

    ``root`` is each contract's OCC root; empty where its key names none. Missing numbers are NaN.
    """

    source: str
    expiry: date
    as_of: datetime
    spot: float | None
    counts_contracts: bool
    root: tuple[str, ...]
    strike: Floats
    is_call: Flags
    bid: Floats
    ask: Floats
    open_interest: Floats
    volatility: Floats
    gamma: Floats


def part_of_chain(chain: OptionChain) -> ExpiryPart:
    """Return the part of a provider's answer."""
    return ExpiryPart(
        source=chain.source,
        expiry=chain.expiry,
        as_of=chain.as_of,
        spot=chain.spot,
        counts_contracts=chain.counts_contracts,
        root=tuple(map(_root, chain.keys)),
        strike=chain.strike,
        is_call=chain.is_call,
        bid=chain.bid,
        ask=chain.ask,
        open_interest=chain.open_interest * _units(chain.counts_contracts),
        volatility=chain.implied_volatility,
        gamma=chain.gamma,
    )


def part_of_body(body: MarketChain) -> ExpiryPart:
    """Return the part of a polled or kept chain, the body of ``/api/market/chain``."""
    rows: list[tuple[float, bool, Contract]] = [
        (math.nan if each.strike is None else each.strike, is_call, contract)
        for each in body.strikes
        for is_call, contract in ((True, each.call), (False, each.put))
        if contract is not None
    ]
    numbers = np.array(
        [[getattr(contract, name) for name in _COLUMNS] for _, _, contract in rows],
        dtype=np.float64,
    ).reshape(len(rows), len(_COLUMNS))
    bid, ask, open_interest, volatility, gamma = numbers.T
    return ExpiryPart(
        source=body.source,
        expiry=body.expiry,
        as_of=body.as_of,
        spot=body.spot,
        counts_contracts=body.counts_contracts,
        root=tuple(_root(contract.key) for _, _, contract in rows),
        strike=np.array([strike for strike, _, _ in rows], dtype=np.float64),
        is_call=np.array([is_call for _, is_call, _ in rows], dtype=np.bool_),
        bid=bid,
        ask=ask,
        open_interest=open_interest * _units(body.counts_contracts),
        volatility=volatility,
        gamma=gamma,
    )


def _units(counts_contracts: bool) -> float:
    return float(CONTRACT_UNITS if counts_contracts else 1)


def _root(key: str) -> str:
    found = _ROOT.fullmatch(key)
    return found[1] if found else ""
