"""The demo's market: its listing, and the minutes before the desk was started.

The simulated market's prices are a function of time, so its past can be computed. Each minute of
the current session so far, and of the session before, gets one sample, summed by the code that sums
a polled chain, and is labelled simulated. Minutes the desk stored itself stay.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string
from django.utils.text import slugify

from config.core.clock import market_clock_is_frozen, market_now
from config.core.errors import Conflict
from greeks.calendar.sessions import Session
from greeks.chains import Floats, OptionChain
from greeks.domain import Contract
from greeks.maths.aggregation import FilledGreeks, sum_chain
from greeks.maths.implied_volatility import implied_volatility
from greeks.minutes.roll_up import session_minutes
from greeks.minutes.rows import MinuteOf, candle_row, write_rows
from greeks.models import GreekSnapshot, PolledInstrument
from greeks.polling.instruments import polled_expiries
from greeks.polling.samples import MINUTE, ChainSample
from greeks.polling.sessions import session_for, session_on_date
from greeks.polling.terms import chain_expires_at, chain_rate
from greeks.pricing.model import years_to

SOURCE = "simulated"
RECORDING_PROVIDER = "cboe"
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


def prepare_market(*, seed: int, chain: str) -> None:
    """Give the demo's instruments their listing and past. Raises ``Conflict`` outside the demo."""
    if not settings.DEMO:
        raise Conflict("The demo's market is prepared in demo mode only.")
    market: SimulatedMarket = import_string("config.core.sandbox.server.open_market")(
        seed=seed, chain=Path(chain) if chain else None
    )
    is_another = _remember_source(seed=seed, chain=chain)
    if chain:
        _poll_recording(market)
    for instrument in PolledInstrument.objects.filter(simulated=True):
        if is_another:
            # Another market had other prices in these minutes.
            GreekSnapshot.objects.filter(instrument_key=instrument.instrument_key).delete()
            instrument.enabled = instrument.underlying in market.underlyings() and (
                (instrument.provider == RECORDING_PROVIDER) == bool(chain)
            )
        if instrument.underlying in market.underlyings():
            _list_expiries(instrument, market)
        instrument.save(update_fields=["enabled", "listed_expiries", "listed_as_of"])
        if instrument.enabled and not market_clock_is_frozen():
            for expiry in polled_expiries(instrument, market_now()):
                backfill(instrument=instrument, expiry=expiry, market=market)


def backfill(*, instrument: PolledInstrument, expiry: date, market: SimulatedMarket) -> int:
    """Write the missing minutes of this session and the one before; returns how many."""
    at = market_now()
    shown = session_for(instrument, at)
    if shown is None:
        return 0
    before = session_on_date(instrument, shown.session_date - timedelta(days=1))
    written = 0
    for session in (before, shown):
        if session is None:
            continue
        stored = set(
            GreekSnapshot.objects.filter(
                instrument_key=instrument.instrument_key,
                expiry=expiry,
                session_date=session.session_date,
                samples_seen__gt=0,
            ).values_list("minute", flat=True)
        )
        minutes = [each for each in session_minutes(session, at) if each not in stored]
        rows = [
            candle_row(
                MinuteOf(
                    instrument_key=instrument.instrument_key,
                    expiry=expiry,
                    minute=sample.minute,
                    session_date=session.session_date,
                    samples_expected=1,
                    source=SOURCE,
                    simulated=True,
                ),
                [sample],
            )
            for sample in _samples(instrument, expiry, market, session, minutes)
        ]
        with transaction.atomic():
            written += sum(write_rows(rows))
    return written


def _remember_source(*, seed: int, chain: str) -> bool:
    """Whether the market differs from the one the stored minutes came from."""
    source = (
        f"recorded chain {hashlib.sha256(Path(chain).read_bytes()).hexdigest()}"
        if chain
        else f"simulated market, seed {seed}"
    )
    remembered = Path(settings.VAR_DIR) / "demo_market"
    is_another = not remembered.exists() or remembered.read_text() != source
    remembered.write_text(source)
    return is_another


def _poll_recording(market: SimulatedMarket) -> None:
    """Poll a recorded chain as Cboe's, which it is."""
    for position, symbol in enumerate(market.underlyings()):
        underlying = market.underlying(symbol)
        PolledInstrument.objects.get_or_create(
            instrument_key=symbol,
            defaults={
                "slug": slugify(symbol),
                "name": underlying.description or symbol,
                "provider": RECORDING_PROVIDER,
                "underlying": symbol,
                "exchange": underlying.exchange,
                "currency": underlying.currency,
                "position": position,
                "simulated": True,
            },
        )


def _list_expiries(instrument: PolledInstrument, market: SimulatedMarket) -> None:
    """List expiries so that the first slot is polled; the provider's own listing comes later."""
    symbol = instrument.underlying
    expiries = market.expiries(symbol)
    lots = [int(each.multiplier) for each in market.chain(symbol, expiries[0])[:1]]
    instrument.listed_expiries = [
        {"expiry": each.isoformat(), "lot_size": lots[0] if lots else None, "is_weekly": None}
        for each in expiries
    ]
    instrument.listed_as_of = market_now()


def _samples(
    instrument: PolledInstrument,
    expiry: date,
    market: SimulatedMarket,
    session: Session,
    minutes: Sequence[datetime],
) -> Iterator[ChainSample]:
    """Return one sample per minute, of its last slot. Volume is left out: it was not requested."""
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
    ) -> ChainSample:
        deep = np.abs(greeks[0]) > _DEEP_DELTA
        own = np.where(deep, math.nan, np.round(greeks, _PLACES))
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
        return ChainSample(
            slot=slot.astimezone(UTC),
            as_of=slot,
            source=SOURCE,
            simulated=True,
            spot=spot,
            sums=sum_chain(chain, filled),
            seen=1,
            expected=1,
        )

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
