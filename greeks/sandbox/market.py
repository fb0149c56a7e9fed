"""The one market all sandbox servers quote: simulated by seed, or replayed from a chain file.

Prices of the simulated market are a pure function of (seed, time): every process that asks for the
same moment gets the same numbers, even after a restart.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from greeks.chains import Floats
from greeks.domain import Contract
from greeks.maths.black_scholes import GreekArrays
from greeks.sandbox.chain_file import read_chain_file
from greeks.sandbox.derived import DerivedEngine
from greeks.sandbox.quotes import SimulatedQuote
from greeks.sandbox.recorded import RecordedEngine
from greeks.sandbox.sessions import Session, utc
from greeks.sandbox.simulated import SimulatedEngine

#: The source of prices. Times are Unix seconds.
Engine = DerivedEngine | RecordedEngine


@lru_cache(maxsize=4)
def simulated_engine(seed: int, always_open: bool) -> DerivedEngine:
    """Return the engine that all simulated markets of a seed share: it depends on nothing else."""
    return DerivedEngine(SimulatedEngine(seed, always_open=always_open))


class Market:
    """A market with its clock. Thread-safe.

    The clock of a simulated market without ``start`` is the wall clock (moved by ``step``); with
    ``start``, or from a chain file, it is frozen and moves only by ``step``.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        start: datetime | None,
        seed: int,
    ) -> None:
        #: The source of prices; markets of one seed share theirs.
        self.engine = engine
        #: Whether the market replays a chain file.
        self.recorded = isinstance(engine, RecordedEngine)
        self._start = None if start is None else start.timestamp()
        self._stepped = 0.0
        self.seed = seed

    @classmethod
    def simulated(
        cls, *, seed: int = 7, start: datetime | None = None, always_open: bool = True
    ) -> Market:
        """Return the simulated market.

        ``start`` must be aware; ``always_open`` ignores exchange hours.
        """
        if start is not None and start.tzinfo is None:
            raise ValueError("start must have a time zone")
        return cls(simulated_engine(seed, always_open), start=start, seed=seed)

    @classmethod
    def from_chain_file(cls, path: str | Path, *, seed: int = 7) -> Market:
        """Return the market of a recorded chain, its clock frozen at the file's moment.

        Raises ``ChainFileError`` naming the file and the fault.
        """
        chain = read_chain_file(path)
        return cls(RecordedEngine(chain, seed), start=chain.as_of, seed=seed)

    @property
    def frozen(self) -> bool:
        """True if the clock moves only by ``step``."""
        return self._start is not None

    @property
    def started_at(self) -> float | None:
        """Unix seconds at which a frozen clock started, before any step."""
        return self._start

    def seconds(self) -> float:
        """Return the market time in Unix seconds."""
        base = time.time() if self._start is None else self._start
        return base + self._stepped

    def now(self) -> datetime:
        """Return the market time, aware, UTC."""
        return utc(self.seconds())

    def step(self, seconds: float) -> None:
        """Move the clock (backwards with a negative number)."""
        self._stepped += seconds

    def is_open(self, exchange: str) -> bool:
        return self.engine.is_open(exchange, self.seconds())

    def session(self, exchange: str = "NYSE") -> Session:
        """Return the exchange's open or latest session, in Unix seconds."""
        return self.engine.session(exchange, self.seconds())

    def session_open(self, exchange: str = "NYSE") -> datetime:
        """Start of the open session, or of the latest one."""
        return utc(self.session(exchange).opened_at)

    def previous_close_at(self, exchange: str = "NYSE") -> datetime:
        return utc(self.session(exchange).previous_close_at)

    def underlyings(self) -> tuple[str, ...]:
        return self.engine.symbols()

    def underlying(self, symbol: str) -> Contract:
        """Return the stock or index itself. Raises ``KeyError`` for a symbol not traded here."""
        found = self.engine.contract(symbol) if symbol in self.engine.symbols() else None
        if found is None:
            raise KeyError(symbol)
        return found

    def underlying_of(self, contract: Contract) -> Contract:
        """Return the share, index or future under an option; any other contract itself."""
        found = self.engine.contract(contract.underlying) if contract.is_option else None
        return found or contract

    def derive(self, line: str, base: Contract, least: date) -> Contract:
        """Return a line's contract on one of the market (:mod:`greeks.sandbox.lines`).

        A future or event contract expires on ``least`` or next after. Raises ``KeyError`` for an
        unknown line, and in a recorded market, which has none.
        """
        if isinstance(self.engine, RecordedEngine):
            raise KeyError(line)
        return self.engine.derive(line, base, least)

    def expiries(self, symbol: str) -> tuple[date, ...]:
        """Return expiries that can be traded now, soonest first."""
        self.underlying(symbol)
        return self.engine.expiries(symbol, self.seconds())

    def chain(self, symbol: str, expiry: date) -> tuple[Contract, ...]:
        """Return options of one expiry by strike, empty if none is listed."""
        self.underlying(symbol)
        return self.engine.chain(symbol, expiry)

    def listed_expiries(self, symbol: str, day: date) -> tuple[date, ...]:
        """Return expiries that were listed on a day, soonest first."""
        return self.engine.listed_expiries(symbol, day)

    def tradable_chain(self, symbol: str, expiry: date) -> tuple[Contract, ...]:
        """Return the chain without contracts nobody quotes."""
        return self.engine.tradable_chain(symbol, expiry)

    def typical_volatility(self, symbol: str) -> float:
        """Roughly the at-the-money volatility (fraction), fixed over time."""
        return self.engine.typical_volatility(symbol)

    def traded(self, exchange: str, seconds: Floats) -> NDArray[np.bool_]:
        """Return which of the moments (Unix seconds) lie in a session."""
        traded: NDArray[np.bool_] = self.engine.last_traded(exchange, seconds) == seconds
        return traded

    def contract(self, symbol_or_conid: str | int) -> Contract | None:
        """Return a contract by display symbol, OCC symbol or conid; ``None`` if there is none."""
        return self.engine.contract(str(symbol_or_conid))

    def quotes(
        self, contracts: Sequence[Contract], seconds: float | None = None
    ) -> list[SimulatedQuote]:
        """Return quotes now, or at another moment (Unix seconds), in the order of the contracts."""
        moment = self.seconds() if seconds is None else seconds
        return self.engine.quotes(contracts, moment) if contracts else []

    def quote(self, contract: Contract) -> SimulatedQuote:
        return self.quotes([contract])[0]

    def values(self, contracts: Sequence[Contract], seconds: Floats) -> Floats:
        """Return unrounded values at any moments (Unix seconds), shape (contracts, moments)."""
        if not contracts:
            return np.empty((0, np.atleast_1d(seconds).size))
        return self.engine.values(contracts, seconds)

    def greeks(self, contracts: Sequence[Contract], seconds: Floats) -> GreekArrays:
        """Return values and Greeks at any moments, shape (contracts, moments).

        An underlying has delta 1 and zero for the rest. ``contracts`` must not be empty.
        """
        return self.engine.greeks(contracts, seconds)

    def spots(self, contracts: Sequence[Contract], seconds: Floats) -> Floats:
        """Return prices of each contract's underlying, shape (contracts, moments)."""
        return self.engine.spots(contracts, seconds)
