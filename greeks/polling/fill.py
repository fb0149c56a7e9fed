"""Compute Greeks for the contracts that the vendor left uncomputed, for a chain in one pass.

=========================  ====================================================================
volatility                 the vendor's for the contract; else, for European options, the
                           vendor's for the other side of the strike, equal by parity (deep in
                           the money a price says nothing, but its partner's does); else the one
                           that the mid of a two-sided quote implies
forward                    put-call parity at the strikes nearest the money with two-sided
                           quotes, else spot and rate (:mod:`greeks.pricing.parity`)
time                       ACT/365 from the time of the quotes to the instant of expiry
model                      Black-Scholes-Merton; American options by their exercise boundary,
                           cash dividends by the escrowed model (:mod:`greeks.maths.valuation`)
=========================  ====================================================================

A volatility outside ``PLAUSIBLE`` is never used. A contract left without one, because nobody gives
it and the quote is not two-sided, stays without Greeks and is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from greeks.chains import Flags, Floats, OptionChain
from greeks.maths import valuation
from greeks.maths.aggregation import FilledGreeks, has_vendor_greeks
from greeks.maths.valuation import Legs
from greeks.pricing.parity import Expiry, Forward, Pair, cash_dividends, forwards
from greeks.pricing.quotes import is_two_sided
from greeks.pricing.years import years_to

#: Plausible annual implied volatilities (fractions), from a quote or a vendor.
PLAUSIBLE = (0.005, 5.0)
# Parity uses only the pairs nearest the money, so more would change nothing.
_PAIRS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainTerms:
    """What pricing a chain needs besides its quotes.

    ``at`` is when the quotes were made, on the market's clock; ``rate`` is annual and continuous;
    ``dividends`` are (years until the ex-date, amount).
    """

    at: datetime
    expires_at: datetime
    rate: float
    is_american: bool = False
    dividends: tuple[tuple[float, float], ...] = ()


def fill_greeks(chain: OptionChain, terms: ChainTerms) -> FilledGreeks:
    """Return Greeks for contracts the vendor left uncomputed, NaN everywhere else."""
    filled = FilledGreeks.none(len(chain))
    wanted = ~has_vendor_greeks(chain)
    years = years_to(terms.expires_at, terms.at)
    if not wanted.any() or years <= 0.0:
        return filled
    mid, volatility = (
        two_sided_mids(chain.bid, chain.ask),
        plausible_volatility(chain.implied_volatility),
    )
    if not terms.is_american:
        volatility = np.where(
            np.isfinite(volatility),
            volatility,
            other_sides_volatility(chain.strike, chain.is_call, volatility),
        )
    rows = np.flatnonzero(
        wanted & (chain.strike > 0) & (np.isfinite(volatility) | np.isfinite(mid))
    )
    forward = _forward(chain, mid, years, terms) if rows.size else None
    if forward is None:
        return filled
    legs = _legs(chain, rows, forward, years, terms)
    volatility = volatility[rows]
    implied = np.flatnonzero(np.isnan(volatility))
    if implied.size:
        found = valuation.implied_volatilities(mid[rows[implied]], legs.take(implied))
        volatility[implied] = plausible_volatility(found)
    kept = np.flatnonzero(np.isfinite(volatility))
    if kept.size:
        solved = legs.take(kept).with_volatility(volatility[kept])
        values = valuation.greeks(solved)
        filled.greeks[:, rows[kept]] = np.stack(
            [values.delta, values.gamma, values.theta, values.vega]
        )
        filled.implied_volatility[rows[kept]] = volatility[kept]
    return filled


def plausible_volatility(volatility: Floats) -> Floats:
    """Return the volatilities, NaN where outside ``PLAUSIBLE``."""
    with np.errstate(invalid="ignore"):
        believed = (volatility >= PLAUSIBLE[0]) & (volatility <= PLAUSIBLE[1])
    kept: Floats = np.where(believed, volatility, np.nan)
    return kept


def other_sides_volatility(strike: Floats, is_call: Flags, volatility: Floats) -> Floats:
    """Return for each contract the volatility of its strike's other side, NaN if there is none.

    Rows ascend by strike, so partners are neighbours: a call and the put after it. Where a strike
    has two roots, the pair of one follows that of the other.
    """
    other = np.full(volatility.size, np.nan)
    pairs = np.flatnonzero((strike[:-1] == strike[1:]) & is_call[:-1] & ~is_call[1:])
    other[pairs], other[pairs + 1] = volatility[pairs + 1], volatility[pairs]
    return other


def two_sided_mids(bid: Floats, ask: Floats) -> Floats:
    """Return mids of two-sided quotes; NaN for all others."""
    return np.where(is_two_sided(bid, ask), 0.5 * (bid + ask), np.nan)


def _forward(chain: OptionChain, mid: Floats, years: float, terms: ChainTerms) -> Forward | None:
    expiry = Expiry(
        years=years,
        rate=terms.rate,
        spot=chain.spot,
        is_american=terms.is_american,
        dividends=terms.dividends,
        pairs=parity_pairs(chain.strike, chain.is_call, mid),
    )
    return forwards({None: expiry})[None]


def parity_pairs(strike: Floats, is_call: Flags, mid: Floats) -> tuple[Pair, ...]:
    """Return the strikes whose call and put are closest in price: those at the money."""
    quoted = np.isfinite(mid)
    calls, puts = quoted & is_call, quoted & ~is_call
    strikes, of_calls, of_puts = np.intersect1d(strike[calls], strike[puts], return_indices=True)
    call, put = mid[calls][of_calls], mid[puts][of_puts]
    nearest = np.argsort(np.abs(call - put), kind="stable")[:_PAIRS]
    return tuple(
        Pair(strike=at, call=first, put=second)
        for at, first, second in zip(
            strikes[nearest].tolist(), call[nearest].tolist(), put[nearest].tolist(), strict=True
        )
    )


def _legs(
    chain: OptionChain, rows: NDArray[np.intp], forward: Forward, years: float, terms: ChainTerms
) -> Legs:
    dividends: Sequence[tuple[tuple[float, float], ...]] = [forward.dividends] * rows.size
    return Legs.of(
        spot=forward.spot,
        strike=chain.strike[rows],
        years=years,
        rate=terms.rate,
        dividend_yield=forward.dividend_yield,
        volatility=0.0,
        is_call=chain.is_call[rows],
        is_american=terms.is_american,
        dividends=cash_dividends(dividends) if forward.dividends else None,
    )
