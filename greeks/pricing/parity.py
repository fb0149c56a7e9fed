"""The forward of an expiry, from put-call parity where both sides of a strike are quoted.

For European options ``F = K + e^(rT)·(C − P)`` (Hull, *Options, Futures, and Other Derivatives*,
chapter 11). For American ones parity is an inequality, because either side may be exercised early:
only strikes near the money are used, the early-exercise premium (American model, at the price's
own implied volatility) is first taken off each price, and the forward and those volatilities are
solved in turns. Without usable pairs the forward follows from the spot, the rate and the known
dividends.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np

from greeks.maths import valuation
from greeks.maths.valuation import CashDividends, Legs

# The forward is the median over this many strikes around the money.
_STRIKES = 3
# Farther from the money, early exercise outweighs what parity says.
_NEAR = 0.1
# A parity forward this far from the spot comes from a bad quote.
_FARTHEST_FORWARD = 0.2
# Close to expiry, rounding in the quotes would become an absurd yearly yield.
_LARGEST_YIELD = 0.25
# Each round leaves about a hundredth of the yield's error.
_ROUNDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Mid prices of the call and the put at one strike."""

    strike: float
    call: float
    put: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """The inputs of one expiry. ``dividends`` are (years until the ex-date, amount)."""

    years: float
    rate: float
    spot: float | None
    is_american: bool
    is_future: bool = False
    dividends: tuple[tuple[float, float], ...] = ()
    pairs: tuple[Pair, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """The spot and yield that give an expiry's forward."""

    spot: float
    forward: float
    dividend_yield: float
    source: str
    dividends: tuple[tuple[float, float], ...] = field(default=())


def forwards(expiries: Mapping[object, Expiry]) -> dict[object, Forward | None]:
    """Forward by expiry; ``None`` if neither a spot nor a parity is known."""
    checked = {key: _checked(expiry) for key, expiry in expiries.items()}
    found = {key: _forward(expiry) for key, expiry in checked.items()}
    american = [
        key
        for key, expiry in checked.items()
        if expiry.is_american and (forward := found[key]) and forward.source == "parity"
    ]
    for _ in range(_ROUNDS if american else 0):
        cleared = _without_early_exercise([(checked[key], found[key]) for key in american])
        for key, pairs in zip(american, cleared, strict=True):
            found[key] = _forward(replace(checked[key], pairs=pairs))
    return found


def cash_dividends(rows: Sequence[tuple[tuple[float, float], ...]]) -> CashDividends | None:
    """Return dividends of each leg as arrays, padded with zeros; ``None`` if there are none."""
    widest = max((len(row) for row in rows), default=0)
    if not widest:
        return None
    filled = np.zeros((len(rows), widest, 2))
    for index, row in enumerate(rows):
        if row:
            filled[index, : len(row)] = row
    return CashDividends(filled[..., 0], filled[..., 1])


def _checked(expiry: Expiry) -> Expiry:
    """Drop an impossible spot and keep only the pairs nearest the money."""
    spot = expiry.spot
    if spot is not None and not (spot > 0 and math.isfinite(spot)):
        spot = None
    nearest = sorted(expiry.pairs, key=lambda pair: abs(pair.call - pair.put))[:_STRIKES]
    if expiry.is_american and nearest:
        middle = spot if spot is not None else nearest[0].strike
        nearest = [pair for pair in nearest if abs(pair.strike / middle - 1.0) <= _NEAR]
    return replace(expiry, spot=spot, pairs=tuple(nearest))


def _forward(expiry: Expiry) -> Forward | None:
    growth = math.exp(expiry.rate * expiry.years)
    # A futures price is its own forward.
    carry = 1.0 if expiry.is_future else growth
    worth = _worth(expiry, expiry.rate)
    if expiry.pairs:
        forward = median(pair.strike + growth * (pair.call - pair.put) for pair in expiry.pairs)
        expected = None if expiry.spot is None else (expiry.spot - worth) * carry
        believable = forward > 0 and (
            expected is None or abs(forward / expected - 1.0) <= _FARTHEST_FORWARD
        )
        if believable and not expiry.is_future:
            return _from_parity(expiry, forward, growth)
        if believable and expiry.spot is None:
            return _built(expiry, spot=forward, forward=forward, source="parity")
    if expiry.spot is None:
        return None
    forward = (expiry.spot - worth) * carry
    return _built(expiry, spot=expiry.spot, forward=forward, source="rate")


def _from_parity(expiry: Expiry, forward: float, growth: float) -> Forward:
    dividend_yield = 0.0
    if expiry.spot is not None and expiry.years > 0:
        for _ in range(_ROUNDS):
            rest = expiry.spot - _worth(expiry, expiry.rate - dividend_yield)
            if rest <= 0:
                break
            dividend_yield = expiry.rate - math.log(forward / rest) / expiry.years
            if abs(dividend_yield) > _LARGEST_YIELD:
                break
        else:
            return Forward(
                spot=expiry.spot,
                forward=forward,
                dividend_yield=dividend_yield,
                source="parity",
                dividends=expiry.dividends,
            )
    spot = forward / growth + _worth(expiry, expiry.rate)
    return _built(expiry, spot=spot, forward=forward, source="parity")


def _built(expiry: Expiry, *, spot: float, forward: float, source: str) -> Forward:
    return Forward(
        spot=spot,
        forward=forward,
        dividend_yield=expiry.rate if expiry.is_future else 0.0,
        source=source,
        dividends=expiry.dividends,
    )


def _worth(expiry: Expiry, carry: float) -> float:
    return sum(amount * math.exp(-carry * years) for years, amount in expiry.dividends)


def _without_early_exercise(
    expiries: Sequence[tuple[Expiry, Forward | None]],
) -> list[tuple[Pair, ...]]:
    """Return each expiry's pairs as if their options were European."""
    rows = [
        (expiry, forward, pair, is_call)
        for expiry, forward in expiries
        if forward is not None
        for pair in expiry.pairs
        for is_call in (True, False)
    ]
    legs = Legs.of(
        spot=[forward.spot for _, forward, _, _ in rows],
        strike=[pair.strike for _, _, pair, _ in rows],
        years=[expiry.years for expiry, _, _, _ in rows],
        rate=[expiry.rate for expiry, _, _, _ in rows],
        dividend_yield=[forward.dividend_yield for _, forward, _, _ in rows],
        volatility=0.0,
        is_call=[is_call for _, _, _, is_call in rows],
        is_american=True,
        dividends=cash_dividends([forward.dividends for _, forward, _, _ in rows]),
    )
    prices = [pair.call if is_call else pair.put for _, _, pair, is_call in rows]
    legs = legs.with_volatility(valuation.implied_volatilities(prices, legs))
    european = replace(legs, is_american=np.zeros(len(legs), dtype=bool))
    # Leave a price that determines no volatility as it is.
    premium = np.nan_to_num(valuation.value(legs) - valuation.value(european))
    cleared = iter(premium.tolist())
    return [
        tuple(
            Pair(strike=pair.strike, call=pair.call - next(cleared), put=pair.put - next(cleared))
            for pair in (expiry.pairs if forward is not None else ())
        )
        for expiry, forward in expiries
    ]
