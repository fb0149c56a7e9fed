"""Our own Greeks from the quote, for contracts that no vendor computed.

Black-Scholes-Merton on the implied volatility of the contract's own price (mid of a two-sided
quote, else the mark). Time to expiry is ACT/365 to the instant of expiry, on the market clock. The
forward of an expiry comes from put-call parity where both sides of a strike are quoted,
``F = K + e^(rT)·(C − P)`` (Hull, Options, Futures and Other Derivatives, ch. 11), else from the
spot and the rate of the settings. Early exercise is not priced. What went in is recorded with
each result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

import numpy as np
from django.conf import settings

from greeks.domain import Contract, Greeks, GreeksSource, Quote, Right
from greeks.maths.black_scholes import all_greeks
from greeks.maths.implied_volatility import implied_volatility
from greeks.services.expiry import NO_CLOSES, SessionCloses, expiry_instant

SECONDS_A_YEAR = 365 * 86_400
# Strikes around the money whose parity forwards are averaged by their median.
_PARITY_STRIKES = 3
# A parity forward this far from the spot comes from a bad quote.
_FARTHEST_FORWARD = 0.2
# Close to expiry a rounding of the quotes would become an absurd yearly yield.
_LARGEST_YIELD = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelGreeks:
    """Greeks of the model with what they were computed from (``inputs``, as stored)."""

    greeks: Greeks
    inputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leg:
    key: str
    quote: Quote
    price: float
    price_kind: str
    years: float
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Forward:
    """What an expiry is priced with: spot and yield that give the forward."""

    spot: float
    forward: float
    dividend_yield: float
    source: str


def years_to(expires_at: datetime, at: datetime) -> float:
    """ACT/365, never below 0."""
    return max(0.0, (expires_at - at).total_seconds() / SECONDS_A_YEAR)


def model_greeks(
    *,
    wanted: Iterable[str],
    quotes: Mapping[str, Quote],
    spots: Mapping[str, float],
    at: datetime,
    closes: SessionCloses = NO_CLOSES,
) -> dict[str, ModelGreeks]:
    """Greeks of the ``wanted`` options by their key, from ``quotes`` by key.

    ``quotes`` may hold more contracts than are wanted: they serve the parity. ``spots`` are prices
    by underlying, ``closes`` the ends of sessions (``known_closes``). A contract is absent from the
    answer when it has expired, has no usable price, or its price does not determine a volatility.
    """
    rate = settings.RISK_FREE_RATE
    legs = {key: leg for key, quote in quotes.items() if (leg := _leg(key, quote, at, closes))}
    chosen = [legs[key] for key in wanted if key in legs]
    if not chosen:
        return {}
    pairs = _parity_pairs(legs.values())
    forwards: dict[tuple[str, datetime], _Forward | None] = {}
    priced: list[tuple[_Leg, _Forward]] = []
    for leg in chosen:
        expiry = (leg.quote.contract.underlying, leg.expires_at)
        if expiry not in forwards:
            forwards[expiry] = _forward(
                pairs.get(expiry, []), spots.get(expiry[0]), years=leg.years, rate=rate
            )
        forward = forwards[expiry]
        if forward is not None:
            priced.append((leg, forward))
    return _solve(priced, rate) if priced else {}


def _leg(key: str, quote: Quote, at: datetime, closes: SessionCloses) -> _Leg | None:
    contract = quote.contract
    if not contract.is_option or contract.strike is None or contract.strike <= 0:
        return None
    expires_at = expiry_instant(contract, closes)
    price, kind = (quote.mid, "mid") if quote.mid is not None else (quote.mark, "mark")
    if expires_at is None or expires_at <= at or price is None or price <= 0:
        return None
    return _Leg(
        key=key,
        quote=quote,
        price=float(price),
        price_kind=kind,
        years=years_to(expires_at, at),
        expires_at=expires_at,
    )


def _parity_pairs(legs: Iterable[_Leg]) -> dict[tuple[str, datetime], list[tuple[float, float]]]:
    """By underlying and expiry: (strike, call − put) where both sides have a two-sided quote."""
    mids: dict[tuple[str, datetime, float], dict[Right, float]] = {}
    for leg in legs:
        contract: Contract = leg.quote.contract
        if leg.price_kind == "mid" and leg.quote.bid and contract.right and contract.strike:
            strike = (contract.underlying, leg.expires_at, float(contract.strike))
            mids.setdefault(strike, {})[contract.right] = leg.price
    pairs: dict[tuple[str, datetime], list[tuple[float, float]]] = {}
    for (underlying, expires_at, strike_price), sides in mids.items():
        if len(sides) == 2:
            difference = sides[Right.CALL] - sides[Right.PUT]
            pairs.setdefault((underlying, expires_at), []).append((strike_price, difference))
    return pairs


def _forward(
    pairs: list[tuple[float, float]], spot: float | None, *, years: float, rate: float
) -> _Forward | None:
    growth = math.exp(rate * years)
    if spot is not None and not (spot > 0 and math.isfinite(spot)):
        spot = None
    if pairs:
        nearest = sorted(pairs, key=lambda pair: abs(pair[1]))[:_PARITY_STRIKES]
        forward = median(strike + growth * difference for strike, difference in nearest)
        believable = forward > 0 and (
            spot is None or abs(forward / (spot * growth) - 1) <= _FARTHEST_FORWARD
        )
        if believable:
            dividend_yield = (
                rate - math.log(forward / spot) / years if spot is not None and years > 0 else 0.0
            )
            if spot is None or abs(dividend_yield) > _LARGEST_YIELD:
                spot, dividend_yield = forward / growth, 0.0
            return _Forward(
                spot=spot, forward=forward, dividend_yield=dividend_yield, source="parity"
            )
    if spot is None:
        return None
    return _Forward(spot=spot, forward=spot * growth, dividend_yield=0.0, source="rate")


def _solve(priced: list[tuple[_Leg, _Forward]], rate: float) -> dict[str, ModelGreeks]:
    price = np.array([leg.price for leg, _ in priced])
    spot = np.array([forward.spot for _, forward in priced])
    strike = np.array([float(leg.quote.contract.strike or 0) for leg, _ in priced])
    years = np.array([leg.years for leg, _ in priced])
    dividend_yield = np.array([forward.dividend_yield for _, forward in priced])
    is_call = np.array([leg.quote.contract.right is Right.CALL for leg, _ in priced])
    volatility = implied_volatility(price, spot, strike, years, rate, dividend_yield, is_call)
    values = all_greeks(spot, strike, years, rate, dividend_yield, volatility, is_call)
    results: dict[str, ModelGreeks] = {}
    for index, (leg, forward) in enumerate(priced):
        numbers = [float(values[column][index]) for column in range(1, 5)]
        if not all(math.isfinite(number) for number in (*numbers, volatility[index])):
            continue
        delta, gamma, theta, vega = numbers
        results[leg.key] = ModelGreeks(
            greeks=Greeks(
                source=GreeksSource.MODEL.value,
                as_of=leg.quote.as_of,
                delta=delta,
                gamma=gamma,
                theta=theta,
                vega=vega,
                implied_volatility=float(volatility[index]),
                underlying_price=forward.spot,
            ),
            inputs={
                "years": leg.years,
                "expires_at": leg.expires_at.isoformat(),
                "price": leg.price,
                "price_kind": leg.price_kind,
                "price_source": leg.quote.source,
                "spot": forward.spot,
                "forward": forward.forward,
                "forward_source": forward.source,
                "rate": rate,
                "dividend_yield": forward.dividend_yield,
            },
        )
    return results
