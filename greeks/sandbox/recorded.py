"""The engine of a recorded chain: the file's own numbers, moved on by the simulation on request.

At the file's moment every number is the file's. At any other moment the spot follows the simulated
path from the recorded spot, and each option moves by the change of its Black-Scholes value at its
own, unchanged implied volatility (its mark's; else the file's; else none, and then by its
intrinsic value): so prices start from the quotes without a jump. Greeks are then the model's.
Forwards come from put-call parity per expiry, discounted at ``RATE``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from greeks.chains import Floats
from greeks.domain import Contract, Right
from greeks.maths import black_scholes
from greeks.maths.black_scholes import GreekArrays
from greeks.maths.implied_volatility import implied_volatility
from greeks.sandbox.chain_file import RecordedChain
from greeks.sandbox.noise import SECONDS_A_YEAR
from greeks.sandbox.quotes import SimulatedQuote, build_quotes
from greeks.sandbox.recorded_contracts import (
    EXCHANGE,
    expiry_instant,
    option_contracts,
    underlying_contract,
)
from greeks.sandbox.sessions import Session, sessions_of, utc
from greeks.sandbox.surface import Surface
from greeks.sandbox.underlyings import INDEX_BY_SYMBOL

RATE = 0.04


class RecordedEngine:
    """One chain file. The exchange counts as always open, so that stepping always moves prices."""

    def __init__(self, chain: RecordedChain, seed: int) -> None:
        self._seed = seed
        self._chain = chain
        self._as_of = chain.as_of.timestamp()
        self._surface = Surface(seed)
        self._path = INDEX_BY_SYMBOL.get(chain.symbol, INDEX_BY_SYMBOL["SPY"])
        self._sessions = sessions_of(EXCHANGE, True)
        options = option_contracts(chain, seed)
        #: Row 0 is the underlying.
        self._contracts = (underlying_contract(chain, seed), *options)
        self._rows = {contract.symbol: row for row, contract in enumerate(self._contracts)}
        self._by_key = {contract.symbol: contract for contract in self._contracts}
        for contract in self._contracts:
            self._by_key.setdefault(contract.aliases["ibkr"], contract)
        self._chains: dict[date, list[Contract]] = {}
        for contract in options:
            if contract.expiry is not None:
                self._chains.setdefault(contract.expiry, []).append(contract)
        for listed in self._chains.values():
            listed.sort(key=lambda c: (c.strike, c.root, c.right))
        self._load_columns()

    def symbols(self) -> tuple[str, ...]:
        return (self._chain.symbol,)

    def contract(self, key: str) -> Contract | None:
        return self._by_key.get(key)

    def expiries(self, symbol: str, seconds: float) -> tuple[date, ...]:
        """Return all expiries in the file, including those that expired on its own day."""
        return tuple(sorted(self._chains))

    def listed_expiries(self, symbol: str, day: date) -> tuple[date, ...]:
        return tuple(expiry for expiry in sorted(self._chains) if expiry >= day)

    def chain(self, symbol: str, expiry: date) -> tuple[Contract, ...]:
        return tuple(self._chains.get(expiry, ()))

    def tradable_chain(self, symbol: str, expiry: date) -> tuple[Contract, ...]:
        """Return contracts with a bid, open interest and a model volatility."""
        return tuple(
            contract
            for contract in self._chains.get(expiry, ())
            if self._tradable[self._rows[contract.symbol]]
        )

    def typical_volatility(self, symbol: str) -> float:
        return self._typical_volatility

    def values(self, contracts: Sequence[Contract], seconds: Floats) -> Floats:
        rows, times = self._select(contracts), np.atleast_1d(seconds)
        return self._moved(rows, times, black_scholes.price(*self._inputs(rows, times)))

    def greeks(self, contracts: Sequence[Contract], seconds: Floats) -> GreekArrays:
        """Return model values and Greeks, shape (contracts, times); an underlying has delta 1."""
        rows, times = self._select(contracts), np.atleast_1d(seconds)
        model = black_scholes.all_greeks(*self._inputs(rows, times))
        spot = (rows == 0)[:, None]
        return GreekArrays(
            self._moved(rows, times, model.price),
            np.where(spot, 1.0, model.delta),
            *(np.where(spot, 0.0, values) for values in model[2:]),
        )

    def spots(self, contracts: Sequence[Contract], seconds: Floats) -> Floats:
        return np.tile(self._spot_path(np.atleast_1d(seconds)), (len(contracts), 1))

    def quotes(self, contracts: Sequence[Contract], seconds: float) -> list[SimulatedQuote]:
        rows = self._select(contracts)
        numbers = {name: values[rows] for name, values in self._numbers.items()}
        spot = self._chain.spot
        if seconds != self._as_of:
            numbers |= self._moved_numbers(rows, seconds)
            spot = round(float(self._spot_path(np.array([seconds]))[0]), 4)
        numbers["underlying_price"] = np.full(rows.size, spot)
        return build_quotes(contracts, [utc(seconds)] * rows.size, numbers)

    def session(self, exchange: str, seconds: float) -> Session:
        return self._sessions.session(seconds)

    def is_open(self, exchange: str, seconds: float) -> bool:
        return self._sessions.is_open(seconds)

    def last_traded(self, exchange: str, seconds: Floats) -> Floats:
        return self._sessions.last_traded(seconds)

    def _select(self, contracts: Sequence[Contract]) -> NDArray[np.int64]:
        """Return rows of the contracts.

        Raises ``KeyError`` with a symbol that is not in the file.
        """
        symbols = [contract.symbol for contract in contracts]
        return np.fromiter(map(self._rows.__getitem__, symbols), np.int64, len(symbols))

    def _spot_path(self, times: Floats) -> Floats:
        path = self._surface.logarithms(self._path, np.append(times, self._as_of))
        result: Floats = self._chain.spot * np.exp(path[:-1] - path[-1])
        return result

    def _inputs(
        self, rows: NDArray[np.int64], times: Floats
    ) -> tuple[Floats, Floats, Floats, float, Floats, Floats, NDArray[np.bool_]]:
        years = np.maximum(self._expires_at[rows][:, None] - times, 0.0) / SECONDS_A_YEAR
        return (
            np.broadcast_to(self._spot_path(times), years.shape),
            self._strike[rows][:, None],
            years,
            RATE,
            self._yield[rows][:, None],
            self._volatility[rows][:, None],
            self._is_call[rows][:, None],
        )

    def _moved(self, rows: NDArray[np.int64], times: Floats, model: Floats) -> Floats:
        """Return the recorded value plus the model's change; the path itself for the underlying."""
        change = model - self._model_value[rows][:, None]
        option = np.maximum(self._value[rows][:, None] + change, 0.0)
        return np.where((rows == 0)[:, None], self._spot_path(times), option)

    def _moved_numbers(self, rows: NDArray[np.int64], seconds: float) -> dict[str, Floats]:
        times = np.array([seconds])
        model = black_scholes.all_greeks(*self._inputs(rows, times))
        change = self._moved(rows, times, model.price)[:, 0] - self._value[rows]
        tick = np.where(rows == 0, 0.0001, 0.01)
        moved = {}
        for name in ("bid", "ask", "last", "mark"):
            price = np.maximum(self._numbers[name][rows] + change, 0.0)
            steps = tick * (0.5 if name == "mark" else 1.0)
            moved[name] = np.round(np.round(price / steps) * steps, 4)
        unknown = (rows == 0) | (self._volatility[rows] == 0.0)
        for name in ("delta", "gamma", "theta", "vega", "rho"):
            moved[name] = np.where(unknown, np.nan, getattr(model, name)[:, 0])
        return moved

    def _load_columns(self) -> None:
        chain = self._chain
        nan = np.nan
        spot_numbers = {"last": chain.spot, "mark": chain.spot, **chain.spot_numbers}
        self._numbers = {
            name: np.concatenate([[spot_numbers.get(name, nan)], values])
            for name, values in chain.numbers.items()
        }
        options = chain.options
        self._strike = np.array([chain.spot, *(option.strike for option in options)])
        self._is_call = np.array([True, *(option.right is Right.CALL for option in options)])
        self._expires_at = np.array([self._as_of, *map(expiry_instant, self._contracts[1:])])
        value = self._numbers["mark"]
        self._value = np.where(np.isnan(value), self._numbers["last"], value)
        self._yield = self._parity_yields()
        years = np.maximum(self._expires_at - self._as_of, 0.0) / SECONDS_A_YEAR
        common = (chain.spot, self._strike, years, RATE, self._yield)
        implied = implied_volatility(self._value, *common, self._is_call)
        forward = chain.spot * np.exp((RATE - self._yield) * years)
        implied = self._out_of_the_money(implied, forward)
        implied = np.where(np.isnan(implied), self._numbers["implied_volatility"], implied)
        self._volatility = np.where(years > 0.0, np.nan_to_num(implied), 0.0)
        self._model_value = black_scholes.price(*common, self._volatility, self._is_call)
        self._value = np.where(np.isnan(self._value), self._model_value, self._value)
        self._tradable = (
            (self._numbers["bid"] > 0.0)
            & (self._numbers["open_interest"] > 0.0)
            & (self._volatility > 0.0)
        )
        near = self._tradable & (np.abs(np.log(self._strike / chain.spot)) < 0.05)
        near &= years > 7.0 / 365.0
        usable = self._volatility[near]
        self._typical_volatility = float(np.median(usable)) if usable.size else 0.25

    def _out_of_the_money(self, implied: Floats, forward: Floats) -> Floats:
        """Return volatilities in which an in-the-money option takes its out-of-the-money partner's.

        In the money, quotes are wide and include early exercise; both sides share one volatility.
        """
        out = np.where(self._is_call, self._strike >= forward, self._strike <= forward)
        rows = {
            (contract.root, contract.expiry, contract.strike, contract.right): row
            for row, contract in enumerate(self._contracts)
        }
        result = implied.copy()
        for row in np.flatnonzero(~out).tolist():
            contract = self._contracts[row]
            other = Right.PUT if contract.right is Right.CALL else Right.CALL
            partner = rows.get((contract.root, contract.expiry, contract.strike, other))
            if partner is not None and not np.isnan(implied[partner]):
                result[row] = implied[partner]
        return result

    def _parity_yields(self) -> Floats:
        """Return the dividend yield per row such that spot grows to its expiry's parity forward.

        The forward is the median of strike + e^{rT}(call − put) over the pairs within 5 % of the
        spot; without such a pair the yield is 0.
        """
        spot = self._chain.spot
        yields = np.zeros(self._strike.size)
        groups: dict[tuple[str, float], list[int]] = {}
        for row in range(1, self._strike.size):
            key = (self._contracts[row].root, float(self._expires_at[row]))
            groups.setdefault(key, []).append(row)
        for (_, expires_at), listed in groups.items():
            years = (expires_at - self._as_of) / SECONDS_A_YEAR
            rows = np.array(listed)
            near = rows[np.abs(self._strike[rows] / spot - 1.0) < 0.05]
            calls, puts = near[self._is_call[near]], near[~self._is_call[near]]
            shared, call_at, put_at = np.intersect1d(
                self._strike[calls], self._strike[puts], return_indices=True
            )
            gap = self._numbers["mark"][calls[call_at]] - self._numbers["mark"][puts[put_at]]
            forwards = (shared + np.exp(RATE * years) * gap)[~np.isnan(gap)]
            if years > 0.0 and forwards.size and np.median(forwards) > 0.0:
                yields[rows] = RATE - np.log(np.median(forwards) / spot) / years
        return yields
