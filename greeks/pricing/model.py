"""Our own Greeks from the quote, for contracts no vendor computed.

Each contract is priced by the model of its kind, at the implied volatility of its own price (mid
of a two-sided quote, else the mark). Where that is all intrinsic value it implies none: then at the
volatility of the nearest strike, else at zero (:mod:`greeks.pricing.time_value`).

===========================  ======================================================================
contract                     model
===========================  ======================================================================
European (index roots, NSE)  ``black_scholes_merton``
American (US shares, ETFs)   ``american``: Andersen-Lake-Offengenden
European option on a future  ``black_76``, on the futures price
American option on a future  ``american_without_carry``: the same with early exercise
with known cash dividends    the same, ``…_cash_dividends``: the escrowed model
===========================  ======================================================================

An adjusted option is priced per share it delivers (:mod:`greeks.pricing.deliverables`); without a
known deliverable it has no Greeks. Time to expiry is ACT/365 to the instant of expiry, on the
market clock; the forward of an expiry comes from :mod:`greeks.pricing.parity`. The inputs are
recorded with each result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from greeks.domain import Greeks, GreeksSource, Quote, Right
from greeks.instruments.expiry import NO_CLOSES, SessionCloses
from greeks.maths import valuation
from greeks.maths.black_scholes import Floats
from greeks.maths.valuation import Legs
from greeks.pricing.dividends import KnownDividends
from greeks.pricing.parity import Forward, Pair, forwards
from greeks.pricing.priced_leg import (
    NO_DIVIDENDS,
    ExpiryKey,
    Priced,
    PricedLeg,
    expiry_of,
    leg_of,
    legs_of,
)
from greeks.pricing.rates import risk_free_rate
from greeks.pricing.time_value import from_neighbours, quote_noise, time_value
from greeks.underlyings import underlying_key


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelGreeks:
    """Greeks of the model with the inputs they were computed from (``inputs``, as stored)."""

    greeks: Greeks
    inputs: Mapping[str, Any]


def model_greeks(
    *,
    wanted: Iterable[str],
    quotes: Mapping[str, Quote],
    spots: Mapping[str, float],
    at: datetime,
    closes: SessionCloses = NO_CLOSES,
    dividends: KnownDividends = NO_DIVIDENDS,
) -> dict[str, ModelGreeks]:
    """Return Greeks of the ``wanted`` options by key, from ``quotes`` by key.

    ``quotes`` may hold more contracts than wanted: parity uses them. ``spots`` are prices by
    ``underlying_key`` (of futures for their options), ``closes`` session ends (``known_closes``),
    ``dividends`` the coming ones (``known_dividends``). A contract is absent from the result if it
    has expired, has no usable price, or its price is impossible.
    """
    legs = {
        key: leg
        for key, quote in quotes.items()
        if (leg := leg_of(key, quote, at, closes, dividends))
    }
    chosen = [legs[key] for key in wanted if key in legs]
    if not chosen:
        return {}
    pairs = _parity_pairs(legs.values())
    found = forwards(
        {
            leg.expiry: expiry_of(
                leg, spots.get(underlying_key(leg.contract)), pairs.get(leg.expiry, ())
            )
            for leg in chosen
        }
    )
    priced = _with_forwards(chosen, found)
    if not priced:
        return {}
    keys = {leg.key for leg in chosen}
    rest = [leg for leg in legs.values() if leg.expiry in found and leg.key not in keys]
    return _solve(priced, _with_forwards(rest, found))


def _with_forwards(
    legs: Iterable[PricedLeg], found: Mapping[object, Forward | None]
) -> list[Priced]:
    return [(leg, forward) for leg in legs if (forward := found[leg.expiry]) is not None]


def _parity_pairs(
    legs: Iterable[PricedLeg],
) -> dict[ExpiryKey, tuple[Pair, ...]]:
    """By expiry: strikes with a two-sided quote for both call and put."""
    mids: dict[ExpiryKey, dict[float, dict[Right, float]]] = {}
    for leg in legs:
        contract = leg.contract
        if leg.price_kind == "mid" and contract.right:
            strikes = mids.setdefault(leg.expiry, {})
            strikes.setdefault(leg.strike, {})[contract.right] = leg.price
    return {
        expiry: tuple(
            Pair(strike=strike, call=sides[Right.CALL], put=sides[Right.PUT])
            for strike, sides in strikes.items()
            if len(sides) == 2
        )
        for expiry, strikes in mids.items()
    }


def _implied(priced: Sequence[Priced]) -> tuple[Floats, Legs]:
    legs = legs_of(priced, volatility=0.0)
    return valuation.implied_volatilities([leg.price for leg, _ in priced], legs), legs


def _volatilities(priced: list[Priced], rest: list[Priced]) -> tuple[Legs, list[str]]:
    """Return the legs at their volatility, and where each is from; NaN if the price is impossible.

    ``rest`` are other quoted options of the same expiries.
    """
    volatility, legs = _implied(priced)
    sources = ["price"] * len(priced)
    missing = np.flatnonzero(np.isnan(volatility))
    prices = np.array([priced[index][0].price for index in missing.tolist()])
    # A price far below is not of this option, or not of this spot.
    excess = np.abs(time_value(prices, legs.take(missing)))
    exercised = missing[excess <= quote_noise(prices)]
    if exercised.size:
        around = np.concatenate([volatility, _implied(rest)[0]]) if rest else volatility
        every = [leg for leg, _ in (*priced, *rest)]
        near = from_neighbours(
            around, np.array([leg.strike for leg in every]), [leg.expiry for leg in every]
        )
        for index in exercised.tolist():
            is_known = math.isfinite(near[index])
            volatility[index] = near[index] if is_known else 0.0
            sources[index] = "neighbour" if is_known else "intrinsic"
    return legs.with_volatility(volatility), sources


def _solve(priced: list[Priced], rest: list[Priced]) -> dict[str, ModelGreeks]:
    rates = [risk_free_rate(leg.contract.currency) for leg, _ in priced]
    solved, sources = _volatilities(priced, rest)
    values = valuation.greeks(solved)
    results: dict[str, ModelGreeks] = {}
    for index, (leg, forward) in enumerate(priced):
        volatility = float(solved.volatility[index])
        delta, gamma, theta, vega = (float(values[column][index]) for column in range(1, 5))
        if not all(math.isfinite(number) for number in (delta, gamma, theta, vega, volatility)):
            continue
        results[leg.key] = ModelGreeks(
            greeks=Greeks(
                source=GreeksSource.MODEL.value,
                as_of=leg.quote.as_of,
                delta=delta,
                gamma=gamma,
                theta=theta,
                vega=vega,
                implied_volatility=volatility if sources[index] == "price" else None,
                underlying_price=forward.spot,
            ),
            inputs={
                "model": leg.model,
                "years": leg.years,
                "expires_at": leg.expires_at.isoformat(),
                "price": leg.price,
                "price_kind": leg.price_kind,
                "price_source": leg.quote.source,
                "volatility": volatility,
                "volatility_source": sources[index],
                "spot": forward.spot,
                "forward": forward.forward,
                "forward_source": forward.source,
                "rate": rates[index].value,
                "rate_source": rates[index].source,
                "dividend_yield": forward.dividend_yield,
                "dividends": [list(each) for each in forward.dividends],
            },
        )
    return results
