"""What polls of the simulated market would have brought: one sample per minute, of its past."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

import numpy as np

from greeks.calendar.sessions import Session
from greeks.chains import Floats, OptionChain
from greeks.domain import Contract
from greeks.maths.aggregation import FilledGreeks, sum_chain
from greeks.maths.changes import ContractGreeks, contract_greeks
from greeks.maths.implied_volatility import implied_volatility
from greeks.models import PolledInstrument
from greeks.polling.samples import MINUTE, ChainSample
from greeks.polling.terms import chain_expires_at, chain_rate
from greeks.pricing.years import years_to

SOURCE = "simulated"
# A minute's last slot, which makes its close.
_LAST_SLOT = timedelta(seconds=55)
# Like the simulated vendor: Greeks with four places, and none deep in the money.
_PLACES = 4
_DEEP_DELTA = 0.998
# Strikes around the spot that need a volatility: only the one at the money is shown.
_NEAR = 0.01
# Minutes valued at once: some ten megabytes.
_BATCH = 240


class SimulatedMarket(Protocol):
    """What the sandbox's market provides; named by a dotted path, never imported."""

    def underlyings(self) -> Sequence[str]: ...

    def underlying(self, symbol: str) -> Contract: ...

    def expiries(self, symbol: str) -> Sequence[date]: ...

    def chain(self, symbol: str, expiry: date) -> Sequence[Contract]: ...

    def quotes(self, contracts: Sequence[Contract], seconds: float) -> Sequence[Any]: ...

    def greeks(self, contracts: Sequence[Contract], seconds: Floats) -> Any: ...

    def spots(self, contracts: Sequence[Contract], seconds: Floats) -> Floats: ...


def simulated_samples(
    instrument: PolledInstrument,
    expiry: date,
    market: SimulatedMarket,
    session: Session,
    minutes: Sequence[datetime],
) -> Iterator[tuple[ChainSample, ContractGreeks]]:
    """Return one sample per minute, of its last slot, and the Greeks it sums, by contract.

    Volume is left out: it was not requested.
    """
    contracts = market.chain(instrument.underlying, expiry)
    if not contracts or not minutes:
        return
    opening = session.opens_at.timestamp() + MINUTE.total_seconds()
    interest = np.array(
        [
            math.nan if quote.open_interest is None else quote.open_interest * float(lot)
            for quote, lot in zip(
                market.quotes(contracts, opening),
                (contract.multiplier for contract in contracts),
                strict=True,
            )
        ]
    )
    chain = _Columns(instrument, expiry, contracts, interest)
    for start in range(0, len(minutes), _BATCH):
        slots = [minute + _LAST_SLOT for minute in minutes[start : start + _BATCH]]
        seconds = np.array([slot.timestamp() for slot in slots])
        values = market.greeks(contracts, seconds)
        greeks = np.stack([values.delta, values.gamma, values.theta, values.vega])
        spots = market.spots(contracts[:1], seconds)[0]
        volatilities = chain.volatilities(slots, spots, values.price)
        for column, slot in enumerate(slots):
            yield chain.sample(
                slot, float(spots[column]), volatilities[:, column], greeks[:, :, column]
            )


class _Columns:
    """What all chains of one expiry share, as columns of an ``OptionChain``."""

    def __init__(
        self,
        instrument: PolledInstrument,
        expiry: date,
        contracts: Sequence[Contract],
        interest: Floats,
    ) -> None:
        self._instrument = instrument
        self._expiry = expiry
        self._expires_at = chain_expires_at(instrument, expiry)
        self._rate = chain_rate(instrument)
        self._keys = tuple(contract.symbol for contract in contracts)
        self._strike = np.array([float(contract.strike or 0) for contract in contracts])
        self._is_call = np.array([contract.right == "C" for contract in contracts])
        self._interest = interest
        self._unknown = np.full(len(contracts), math.nan)

    def sample(
        self, slot: datetime, spot: float, volatility: Floats, greeks: Floats
    ) -> tuple[ChainSample, ContractGreeks]:
        deep = np.abs(greeks[0]) > _DEEP_DELTA
        own = np.where(deep, math.nan, np.round(greeks, _PLACES))
        # A poll gives a rounded gamma its digits back.
        own[1] = np.where(deep, math.nan, greeks[1])
        filled = FilledGreeks(
            greeks=np.where(deep, greeks, math.nan), implied_volatility=self._unknown
        )
        chain = OptionChain(
            source=SOURCE,
            instrument_key=self._instrument.instrument_key,
            expiry=self._expiry,
            as_of=slot,
            spot=spot,
            keys=self._keys,
            strike=self._strike,
            is_call=self._is_call,
            bid=self._unknown,
            ask=self._unknown,
            last=self._unknown,
            previous_close=self._unknown,
            volume=self._unknown,
            open_interest=self._interest,
            previous_open_interest=self._unknown,
            implied_volatility=volatility,
            delta=own[0],
            gamma=own[1],
            theta=own[2],
            vega=own[3],
        )
        sample = ChainSample(
            slot=slot.astimezone(UTC),
            as_of=slot,
            source=SOURCE,
            simulated=True,
            spot=spot,
            sums=sum_chain(chain, filled),
            seen=1,
            expected=1,
        )
        return sample, contract_greeks(chain, filled)

    def volatilities(self, slots: Sequence[datetime], spots: Floats, prices: Floats) -> Floats:
        """Return volatilities (contracts, slots) at all slots, but only near the money.

        The forward comes from parity at the strike next to the spot.
        """
        years = np.array([years_to(self._expires_at, slot) for slot in slots])
        strike, moments = self._strike[:, None], np.arange(len(slots))
        # Each strike's call precedes its put.
        call = np.argmin(np.abs(strike - spots), axis=0)
        parity = np.exp(self._rate * years) * (prices[call, moments] - prices[call + 1, moments])
        with np.errstate(divide="ignore", invalid="ignore"):
            dividend_yield = self._rate - np.log((self._strike[call] + parity) / spots) / years
        volatility = np.full(prices.shape, math.nan)
        rows, columns = np.nonzero(np.abs(strike / spots - 1.0) < _NEAR)
        volatility[rows, columns] = implied_volatility(
            prices[rows, columns],
            spots[columns],
            self._strike[rows],
            years[columns],
            self._rate,
            dividend_yield[columns],
            self._is_call[rows],
        )
        return volatility
