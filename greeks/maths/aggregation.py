"""The sums of one chain, correctly rounded, and other numbers over its contracts.

Each sum is the float64 nearest to the exact sum of its terms (``math.fsum``, Shewchuk 1997): it
depends on neither the order nor the grouping of the contracts, so an independent sum over the same
chain agrees to the last digit. "total" is summed over both sides, not added from two rounded
halves. Units are those of ``greeks.domain``, each contract counting once, per unit of the
underlying. A sum of nothing is NaN: missing, not zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greeks.chains import SIDES, SUMMED_GREEKS, Flags, Floats, OptionChain

#: |delta| has this many buckets of 0.05: bucket i is [i/20, (i + 1)/20), the last one closed.
BUCKETS = 20
#: The values of a bucket: the summed Greeks, and the number of contracts.
BUCKET_VALUES = (*SUMMED_GREEKS, "contracts")
BUCKETS_SHAPE = (2, BUCKETS, len(BUCKET_VALUES))
#: Inner edges of the buckets. i/20 is the float64 nearest to the vendor's decimal text.
_EDGES = np.arange(1, BUCKETS) / BUCKETS
#: Strikes farther from the spot than this share do not count as at the money.
_NEAR_THE_MONEY = 0.05
# Sums over a chain are exact to this part of their largest term.
_ROUNDING = 1e-13


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilledGreeks:
    """The model's Greeks for contracts the vendor left uncomputed; NaN everywhere else.

    ``greeks`` has shape (4, contracts), in the order of ``SUMMED_GREEKS``; ``implied_volatility``
    is the volatility they were computed at.
    """

    greeks: Floats
    implied_volatility: Floats

    @classmethod
    def none(cls, contracts: int) -> FilledGreeks:
        return cls(
            greeks=np.full((len(SUMMED_GREEKS), contracts), np.nan),
            implied_volatility=np.full(contracts, np.nan),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChainSums:
    """The sums of a chain. NaN is missing; array axes are in their constants' order.

    ``everything`` and ``vendor`` have shape (3 sides, 4 Greeks): including the model's, and the
    vendor's own alone. ``buckets`` has shape (2 sides, 20, 5): sums and number of the contracts
    with Greeks, by |delta|. ``contracts_without_greeks`` counts those the vendor did not compute,
    ``contracts_filled`` how many of them the model did.
    """

    everything: Floats
    vendor: Floats
    buckets: Floats
    contracts: int
    contracts_without_greeks: int
    contracts_filled: int
    call_open_interest: float
    put_open_interest: float
    call_volume: float
    put_volume: float
    pcr: float
    max_pain: float
    atm_implied_volatility: float


def has_vendor_greeks(chain: OptionChain) -> Flags:
    """True for each contract with all four vendor Greeks."""
    return _complete(chain.greeks())


def sum_chain(chain: OptionChain, filled: FilledGreeks | None = None) -> ChainSums:
    """Sum a chain: the vendor's Greeks where all four are there, else ``filled``, else none."""
    own = chain.greeks()
    by_vendor = _complete(own)
    filled = filled or FilledGreeks.none(len(chain))
    by_model = ~by_vendor & _complete(filled.greeks)
    greeks, known = summed_greeks(chain, filled)
    everything = _sums(greeks, known, chain.is_call)
    call_interest, put_interest = _side_totals(chain.open_interest, chain.is_call)
    call_volume, put_volume = _side_totals(chain.volume, chain.is_call)
    volatility = np.where(
        np.isfinite(chain.implied_volatility), chain.implied_volatility, filled.implied_volatility
    )
    return ChainSums(
        everything=everything,
        vendor=_sums(own, by_vendor, chain.is_call) if by_model.any() else everything,
        buckets=_buckets(greeks, known, chain.is_call),
        contracts=len(chain),
        contracts_without_greeks=int(len(chain) - by_vendor.sum()),
        contracts_filled=int(by_model.sum()),
        call_open_interest=call_interest,
        put_open_interest=put_interest,
        call_volume=call_volume,
        put_volume=put_volume,
        pcr=put_call_ratio(call_interest, put_interest),
        max_pain=max_pain(chain.strike, chain.is_call, chain.open_interest),
        atm_implied_volatility=atm_implied_volatility(chain.strike, volatility, chain.spot),
    )


def summed_greeks(chain: OptionChain, filled: FilledGreeks) -> tuple[Floats, Flags]:
    """Return the Greeks that are summed, (4, contracts), and of which contracts all are known."""
    own = chain.greeks()
    greeks = np.where(_complete(own), own, filled.greeks)
    return greeks, _complete(greeks)


def put_call_ratio(call_open_interest: float, put_open_interest: float) -> float:
    """PCR: open interest of puts ÷ that of calls. NaN if one is missing or calls have none."""
    return put_open_interest / call_open_interest if call_open_interest > 0 else math.nan


def max_pain(strike: Floats, is_call: Flags, open_interest: Floats) -> float:
    """Return the strike at which all open contracts together would pay least if they expired there.

    For every strike K of the chain: Σ OI·max(K − strike, 0) over calls + Σ OI·max(strike − K, 0)
    over puts; the smallest wins, the lowest strike on a tie (a difference of rounding is one).
    Contracts without open interest data are left out; NaN if none is open.
    """
    open_ = np.isfinite(open_interest) & (open_interest > 0)
    if not open_.any():
        return math.nan
    candidates, place = np.unique(strike, return_inverse=True)
    calls, puts = (
        np.bincount(
            place[open_ & side], weights=open_interest[open_ & side], minlength=candidates.size
        )
        for side in (is_call, ~is_call)
    )
    # Uses running sums over the strikes below and above.
    below, above = np.cumsum(calls), puts.sum() - np.cumsum(puts)
    below_worth, above_worth = np.cumsum(calls * candidates), np.cumsum(puts * candidates)
    pays = candidates * below - below_worth
    pays += (above_worth[-1] - above_worth) - candidates * above
    rounding = _ROUNDING * (candidates[-1] * (below[-1] + puts.sum()))
    return float(candidates[np.argmax(pays <= pays.min() + rounding)])


def atm_implied_volatility(strike: Floats, volatility: Floats, spot: float | None) -> float:
    """Return the implied volatility at the money: a fraction, interpolated at the spot.

    A strike's volatility is the mean of its call's and put's (or the one that is known). The value
    is linear in the strike between the nearest strikes with a volatility, one at or below the spot
    and one above; both must be within 5 % of the spot, else NaN.
    """
    if spot is None or not math.isfinite(spot):
        return math.nan
    near = (
        np.isfinite(volatility) & (volatility > 0) & (np.abs(strike / spot - 1) < _NEAR_THE_MONEY)
    )
    ladder, place = np.unique(strike[near], return_inverse=True)
    if not ladder.size:
        return math.nan
    smile = np.bincount(place, weights=volatility[near]) / np.bincount(place)
    if not ladder[0] <= spot <= ladder[-1]:
        return math.nan
    return float(np.interp(spot, ladder, smile))


def _complete(greeks: Floats) -> Flags:
    complete: Flags = np.logical_and.reduce(np.isfinite(greeks), axis=0)
    return complete


def _sums(greeks: Floats, known: Flags, is_call: Flags) -> Floats:
    calls, puts = np.flatnonzero(known & is_call), np.flatnonzero(known & ~is_call)
    sums = np.full((len(SIDES), len(SUMMED_GREEKS)), np.nan)
    if not (calls.size or puts.size):
        return sums
    middle = calls.size
    columns = greeks[:, np.concatenate([calls, puts])].tolist()
    if calls.size:
        sums[0] = [math.fsum(column[:middle]) for column in columns]
    if puts.size:
        sums[1] = [math.fsum(column[middle:]) for column in columns]
    sums[2] = [math.fsum(column) for column in columns]
    return sums


def _side_totals(values: Floats, is_call: Flags) -> tuple[float, float]:
    """Return sums of calls and of puts over known values; NaN if there are none."""
    known = np.isfinite(values)
    calls, puts = values[known & is_call].tolist(), values[known & ~is_call].tolist()
    return (
        math.fsum(calls) if calls else math.nan,
        math.fsum(puts) if puts else math.nan,
    )


def bucket_places(delta: Floats, is_call: Flags) -> NDArray[np.int64]:
    """Return each contract's bucket: calls from 0, puts from ``BUCKETS``."""
    place: NDArray[np.int64] = np.searchsorted(_EDGES, np.abs(delta), side="right")
    return place + np.where(is_call, 0, BUCKETS)


def _buckets(greeks: Floats, known: Flags, is_call: Flags) -> Floats:
    """Return sums by side and |delta|. An empty bucket is a known zero."""
    buckets = np.zeros((2 * BUCKETS, len(BUCKET_VALUES)))
    rows = np.flatnonzero(known)
    if rows.size:
        place = bucket_places(greeks[0, rows], is_call[rows])
        order = np.argsort(place, kind="stable")
        place, columns = place[order], greeks[:, rows[order]].tolist()
        places = place.tolist()
        starts = np.flatnonzero(np.diff(place, prepend=-1)).tolist()
        for start, end in zip(starts, [*starts[1:], rows.size], strict=True):
            sums = [math.fsum(column[start:end]) for column in columns]
            buckets[places[start]] = (*sums, end - start)
    return buckets.reshape(BUCKETS_SHAPE)
