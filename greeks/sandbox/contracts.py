"""The simulated market's contracts, and the columns that price many of them at once.

An option's conid is its position in (underlying, expiry, strike, right), scrambled by the seed:
unique, the same after a restart, and decodable without having listed the contract before.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from greeks.chains import Flags, Floats
from greeks.domain import Contract, InstrumentKind, Right
from greeks.sandbox.listing import expiry_instant, is_monthly, listed_expiries, strikes
from greeks.sandbox.noise import uniform_hash
from greeks.sandbox.underlyings import INDEX_BY_SYMBOL, UNDERLYINGS, Underlying

Indices = NDArray[np.int64]

_FIRST_DAY = date(2015, 1, 1)
_RIGHT_BITS, _STRIKE_BITS, _DAY_BITS, _UNDERLYING_BITS = 1, 13, 14, 3
_CONID_BITS = _RIGHT_BITS + _STRIKE_BITS + _DAY_BITS + _UNDERLYING_BITS


class Columns(NamedTuple):
    """One row per contract. ``expires_at`` is infinite and ``strike`` NaN if there is none."""

    underlying: Indices
    strike: Floats
    expires_at: Floats
    is_option: Flags
    is_call: Flags
    monthly: Flags
    number: Indices

    def take(self, rows: Indices) -> Columns:
        return Columns._make(column[rows] for column in self)

    def extended_by(self, other: Columns) -> Columns:
        return Columns._make(map(np.concatenate, zip(self, other, strict=True)))


def option_symbol(root: str, expiry: date, right: Right, strike: Decimal | float) -> str:
    """Return the OCC symbol: root padded to six, date, right, strike in thousandths."""
    return f"{root:<6}{expiry:%y%m%d}{right.value}{round(Decimal(str(strike)) * 1000):08d}"


class ConidCode:
    """Turns option identities into conids and back."""

    def __init__(self, seed: int) -> None:
        mixed = uniform_hash(seed, np.array([1, 2])) * (1 << _CONID_BITS)
        self._factor = int(mixed[0]) | 1
        self._offset = int(mixed[1])
        self._inverse = pow(self._factor, -1, 1 << _CONID_BITS)

    def encode(self, underlying: Underlying, expiry: date, strike: float, right: Right) -> int:
        number = INDEX_BY_SYMBOL[underlying.symbol]
        number = number << _DAY_BITS | (expiry - _FIRST_DAY).days
        number = number << _STRIKE_BITS | round(strike / underlying.strike_unit)
        number = number << _RIGHT_BITS | (right is Right.CALL)
        return (number * self._factor + self._offset) % (1 << _CONID_BITS)

    def decode(self, conid: int) -> tuple[Underlying, date] | None:
        """Return the underlying and expiry the conid would belong to, if they can exist."""
        if not 0 <= conid < 1 << _CONID_BITS:
            return None
        number = (conid - self._offset) * self._inverse % (1 << _CONID_BITS)
        number >>= _RIGHT_BITS + _STRIKE_BITS
        index, days = number >> _DAY_BITS, number & ((1 << _DAY_BITS) - 1)
        if index >= len(UNDERLYINGS):
            return None
        return UNDERLYINGS[index], _FIRST_DAY + timedelta(days=days)


class ContractTable:
    """Contracts by symbol and conid, listed one expiry at a time on request."""

    def __init__(self, seed: int) -> None:
        self._code = ConidCode(seed)
        self._lock = threading.Lock()
        self._contracts: dict[str, Contract] = {}
        self._rows: dict[str, int] = {}
        self._chains: dict[tuple[str, date], tuple[Contract, ...]] = {}
        self._columns = _spot_columns()
        self._register(0, tuple(_spot_contract(underlying) for underlying in UNDERLYINGS))

    def contract(self, key: str) -> Contract | None:
        """Return the listed contract with this symbol or conid."""
        found = self._contracts.get(key)
        if found is not None:
            return found
        place = self._code.decode(int(key)) if key.isdecimal() else _read_option_symbol(key)
        if place is None or not is_possible_expiry(*place):
            return None
        self.chain(*place)
        return self._contracts.get(key)

    def chain(self, underlying: Underlying, expiry: date) -> tuple[Contract, ...]:
        """Return all options of an expiry, ascending by strike, the call before the put."""
        found = self._chains.get((underlying.symbol, expiry))
        if found is not None:
            return found
        with self._lock:
            found = self._chains.get((underlying.symbol, expiry))
            if found is None:
                found = self._build_chain(underlying, expiry)
                self._append(found, _chain_columns(underlying, expiry, found))
                self._chains[underlying.symbol, expiry] = found
        return found

    def columns(self, contracts: Sequence[Contract]) -> Columns:
        """Return pricing columns of the contracts, in their order.

        Raises ``KeyError`` with the symbol of a contract this market does not list.
        """
        symbols = [contract.symbol for contract in contracts]
        for symbol in symbols:
            if symbol not in self._rows and self.contract(symbol) is None:
                raise KeyError(symbol)
        rows = np.fromiter(map(self._rows.__getitem__, symbols), np.int64, len(symbols))
        return self._columns.take(rows)

    def _append(self, contracts: Sequence[Contract], columns: Columns) -> None:
        start = self._columns.strike.size
        # Columns first: a reader that sees a row must find them.
        self._columns = self._columns.extended_by(columns)
        self._register(start, contracts)

    def _register(self, start: int, contracts: Sequence[Contract]) -> None:
        for row, contract in enumerate(contracts, start):
            self._rows[contract.symbol] = row
            self._contracts[contract.symbol] = contract
            self._contracts.setdefault(contract.aliases["ibkr"], contract)

    def _build_chain(self, underlying: Underlying, expiry: date) -> tuple[Contract, ...]:
        contracts = []
        title = f"{underlying.symbol} {expiry:%d %b %y}"
        for strike in strikes(underlying.symbol, is_monthly(underlying, expiry)).tolist():
            for right in (Right.CALL, Right.PUT):
                symbol = option_symbol(underlying.symbol, expiry, right, strike)
                aliases = {"ibkr": str(self._code.encode(underlying, expiry, strike, right))}
                if underlying.currency == "USD":
                    aliases["tastytrade"] = symbol
                contracts.append(
                    Contract(
                        kind=InstrumentKind.OPTION,
                        symbol=symbol,
                        underlying=underlying.symbol,
                        root=underlying.symbol,
                        multiplier=underlying.multiplier,
                        currency=underlying.currency,
                        expiry=expiry,
                        strike=Decimal(str(strike)).normalize() + 0,
                        right=right,
                        exchange=underlying.exchange,
                        description=f"{title} {strike:g} {right.name.title()}",
                        aliases=aliases,
                    )
                )
        return tuple(contracts)


@lru_cache(maxsize=4)
def contract_table(seed: int) -> ContractTable:
    """Return the contracts of a seed, listed once for all its markets in the process."""
    return ContractTable(seed)


def is_possible_expiry(underlying: Underlying, expiry: date) -> bool:
    """Return whether the underlying's options ever expire on that day."""
    return expiry in listed_expiries(underlying, expiry)


def _read_option_symbol(symbol: str) -> tuple[Underlying, date] | None:
    root, tail = symbol[:-15].strip(), symbol[-15:]
    if root not in INDEX_BY_SYMBOL or not tail[:6].isdecimal():
        return None
    try:
        expiry = date(2000 + int(tail[:2]), int(tail[2:4]), int(tail[4:6]))
    except ValueError:
        return None
    return UNDERLYINGS[INDEX_BY_SYMBOL[root]], expiry


def _spot_contract(underlying: Underlying) -> Contract:
    aliases = {"ibkr": underlying.conid}
    if underlying.currency == "USD":
        aliases["tastytrade"] = underlying.symbol
    return Contract(
        kind=underlying.kind,
        symbol=underlying.symbol,
        underlying=underlying.symbol,
        root=underlying.symbol,
        multiplier=Decimal(1),
        currency=underlying.currency,
        exchange=underlying.exchange,
        description=underlying.name,
        aliases=aliases,
    )


def _spot_columns() -> Columns:
    count = len(UNDERLYINGS)
    no = np.zeros(count, dtype=bool)
    return Columns(
        underlying=np.arange(count),
        strike=np.full(count, np.nan),
        expires_at=np.full(count, np.inf),
        is_option=no,
        is_call=no,
        monthly=no,
        number=np.array([int(u.conid) for u in UNDERLYINGS], dtype=np.int64),
    )


def _chain_columns(underlying: Underlying, expiry: date, chain: Sequence[Contract]) -> Columns:
    count = len(chain)
    return Columns(
        underlying=np.full(count, INDEX_BY_SYMBOL[underlying.symbol]),
        strike=np.array([float(c.strike) for c in chain if c.strike is not None]),
        expires_at=np.full(count, expiry_instant(underlying, expiry)),
        is_option=np.ones(count, dtype=bool),
        is_call=np.arange(count) % 2 == 0,
        monthly=np.full(count, is_monthly(underlying, expiry)),
        number=np.array([int(c.aliases["ibkr"]) for c in chain], dtype=np.int64),
    )
