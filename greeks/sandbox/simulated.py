"""The engine of the simulated market: contracts, values and quotes at any moment of any day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from greeks.chains import Floats
from greeks.domain import Contract
from greeks.maths import black_scholes
from greeks.maths.black_scholes import GreekArrays
from greeks.sandbox.contracts import Columns, contract_table
from greeks.sandbox.listing import expiry_instant, listed_expiries
from greeks.sandbox.quotes import SimulatedQuote, build_quotes
from greeks.sandbox.sessions import EXCHANGES, Session, local_date, sessions_of, utc
from greeks.sandbox.surface import (
    RATE,
    State,
    Surface,
    forward_yield,
    implied_volatilities,
    years_between,
)
from greeks.sandbox.tape import make_market, open_interest, to_tick, volume
from greeks.sandbox.underlyings import INDEX_BY_SYMBOL, UNDERLYINGS

_EXCHANGE_OF = np.array([list(EXCHANGES).index(u.exchange) for u in UNDERLYINGS])
_AMERICAN = np.array([u.american for u in UNDERLYINGS])


class _Inputs(NamedTuple):
    """Inputs of Black-Scholes, shape (contracts, times)."""

    spot: Floats
    strike: Floats
    years: Floats
    rate: Floats
    dividend_yield: Floats
    volatility: Floats
    is_call: NDArray[np.bool_]


class SimulatedEngine:
    """A pure function of the seed and the time."""

    def __init__(self, seed: int, *, always_open: bool) -> None:
        self._surface = Surface(seed)
        self._table = contract_table(seed)
        self._sessions = {name: sessions_of(name, always_open) for name in EXCHANGES}

    def symbols(self) -> tuple[str, ...]:
        return tuple(underlying.symbol for underlying in UNDERLYINGS)

    def contract(self, key: str) -> Contract | None:
        return self._table.contract(key)

    def expiries(self, symbol: str, seconds: float) -> tuple[date, ...]:
        underlying = UNDERLYINGS[INDEX_BY_SYMBOL[symbol]]
        today = local_date(underlying.exchange, seconds)
        return tuple(
            expiry
            for expiry in listed_expiries(underlying, today)
            if expiry_instant(underlying, expiry) > seconds
        )

    def listed_expiries(self, symbol: str, day: date) -> tuple[date, ...]:
        return listed_expiries(UNDERLYINGS[INDEX_BY_SYMBOL[symbol]], day)

    def typical_volatility(self, symbol: str) -> float:
        return UNDERLYINGS[INDEX_BY_SYMBOL[symbol]].volatility

    def tradable_chain(self, symbol: str, expiry: date) -> tuple[Contract, ...]:
        return self.chain(symbol, expiry)

    def chain(self, symbol: str, expiry: date) -> tuple[Contract, ...]:
        underlying = UNDERLYINGS[INDEX_BY_SYMBOL[symbol]]
        if expiry not in listed_expiries(underlying, expiry):
            return ()
        return self._table.chain(underlying, expiry)

    def values(self, contracts: Sequence[Contract], seconds: Floats) -> Floats:
        """Return theoretical values, shape (contracts, times): the middle of the quotes."""
        columns = self._table.columns(contracts)
        inputs = self._inputs(columns, np.atleast_1d(seconds))
        return self._with_floor(columns, inputs, black_scholes.price(*inputs))

    def greeks(self, contracts: Sequence[Contract], seconds: Floats) -> GreekArrays:
        """Return values and Greeks, shape (contracts, times).

        An underlying has delta 1 and no others.
        """
        columns = self._table.columns(contracts)
        inputs = self._inputs(columns, np.atleast_1d(seconds))
        return self._exercised(columns, inputs, black_scholes.all_greeks(*inputs))

    def spots(self, contracts: Sequence[Contract], seconds: Floats) -> Floats:
        """Return prices of each contract's underlying, shape (contracts, times)."""
        columns = self._table.columns(contracts)
        return self._state(columns, np.atleast_1d(seconds))[0].spot

    def quotes(self, contracts: Sequence[Contract], seconds: float) -> list[SimulatedQuote]:
        columns = self._table.columns(contracts)
        now = np.array([seconds])
        inputs = self._inputs(columns, now)
        greeks = self._exercised(columns, inputs, black_scholes.all_greeks(*inputs))
        value, years = greeks.price[:, 0], inputs.years[:, 0]
        two_sided = make_market(columns, value, years, np.array(seconds))
        opening, previous, counts = self._of_session(columns, seconds)

        def of_options(values: Floats) -> Floats:
            return np.where(columns.is_option, values[:, 0], np.nan)

        quote_columns = {
            **two_sided._asdict(),
            "last": np.where(counts[1] == 0.0, np.nan, two_sided.last),
            "opening_price": opening,
            "previous_close": previous,
            "volume": counts[1],
            "open_interest": counts[0],
            "implied_volatility": of_options(inputs.volatility),
            **{name: of_options(values) for name, values in greeks._asdict().items()},
            "underlying_price": np.round(inputs.spot[:, 0], 4),
        }
        moments = [
            utc(float(sessions.last_traded(seconds))) for sessions in self._sessions.values()
        ]
        as_of = [moments[index] for index in _EXCHANGE_OF[columns.underlying].tolist()]
        return build_quotes(contracts, as_of, quote_columns)

    def session(self, exchange: str, seconds: float) -> Session:
        return self._sessions[exchange].session(seconds)

    def is_open(self, exchange: str, seconds: float) -> bool:
        return self._sessions[exchange].is_open(seconds)

    def last_traded(self, exchange: str, seconds: Floats) -> Floats:
        return self._sessions[exchange].last_traded(seconds)

    def _state(self, columns: Columns, seconds: Floats) -> tuple[State, Floats]:
        """Return state and trading time per contract, shape (contracts, times)."""
        exchanges = _EXCHANGE_OF[columns.underlying]
        shape = (columns.strike.size, seconds.size)
        parts = [np.empty(shape) for _ in range(4)]
        for number, sessions in enumerate(self._sessions.values()):
            rows = np.flatnonzero(exchanges == number)
            if not rows.size:
                continue
            traded = sessions.last_traded(seconds)
            state = self._surface.state(traded)
            for part, values in zip(parts, state, strict=False):
                part[rows] = values[columns.underlying[rows]]
            parts[3][rows] = traded
        return State(*parts[:3]), parts[3]

    def _inputs(self, columns: Columns, seconds: Floats) -> _Inputs:
        state, traded = self._state(columns, seconds)
        index = columns.underlying[:, None]
        expires = np.where(columns.is_option, columns.expires_at, 0.0)[:, None]
        years = years_between(traded, expires)
        strike = np.where(columns.is_option[:, None], columns.strike[:, None], state.spot)
        dividend_yield = forward_yield(index, state.spot, years)
        volatility = implied_volatilities(
            index,
            state.spot,
            state.short_volatility,
            state.long_volatility,
            strike,
            years,
            dividend_yield,
        )
        rate = np.broadcast_to(RATE[index], years.shape)
        return _Inputs(
            state.spot, strike, years, rate, dividend_yield, volatility, columns.is_call[:, None]
        )

    def _with_floor(self, columns: Columns, inputs: _Inputs, price: Floats) -> Floats:
        """Return option values, American ones not below intrinsic; spots for the rest."""
        sign = np.where(columns.is_call, 1.0, -1.0)[:, None]
        intrinsic = np.maximum(sign * (inputs.spot - inputs.strike), 0.0)
        american = _AMERICAN[columns.underlying][:, None]
        option = np.where(american, np.maximum(price, intrinsic), price)
        result: Floats = np.where(columns.is_option[:, None], option, inputs.spot)
        return result

    def _exercised(self, columns: Columns, inputs: _Inputs, greeks: GreekArrays) -> GreekArrays:
        """Return Greeks with the floor applied: an option at its intrinsic value moves like it."""
        value = self._with_floor(columns, inputs, greeks.price)
        is_option = columns.is_option[:, None]
        at_intrinsic = ~is_option | (value > greeks.price)
        slope = np.where(is_option & ~columns.is_call[:, None], -1.0, 1.0)
        return GreekArrays(
            value,
            np.where(at_intrinsic, slope, greeks.delta),
            *(np.where(at_intrinsic, 0.0, values) for values in greeks[2:]),
        )

    def _of_session(
        self, columns: Columns, seconds: float
    ) -> tuple[Floats, Floats, tuple[Floats, Floats]]:
        """Return each contract's opening price, previous close, and (open interest, volume)."""
        size = columns.strike.size
        opening, previous, interest, traded = (np.full(size, np.nan) for _ in range(4))
        exchanges = _EXCHANGE_OF[columns.underlying]
        for number, sessions in enumerate(self._sessions.values()):
            rows = np.flatnonzero(exchanges == number)
            if not rows.size:
                continue
            part = columns.take(rows)
            session = sessions.session(seconds)
            # One second after the bell: at the bell itself the exchange is still closed.
            moments = np.array([session.opened_at + 1.0, session.previous_close_at])
            inputs = self._inputs(part, moments)
            values = self._with_floor(part, inputs, black_scholes.price(*inputs))
            opening[rows] = to_tick(part, values[:, 0])
            previous[rows] = to_tick(part, values[:, 1])
            day = np.floor(np.array(session.opened_at / 86400.0))
            length = session.closes_at - session.opened_at
            elapsed = np.array((seconds - session.opened_at) / length)
            reference = inputs.spot[:, 1], inputs.years[:, 1]
            interest[rows] = open_interest(part, *reference, day)
            traded[rows] = volume(part, *reference, day, elapsed)
        return opening, previous, (interest, traded)
