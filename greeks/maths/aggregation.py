"""The sums of one chain, correctly rounded, and what else its contracts say together.

Each sum is the float64 nearest to the exact sum of its terms (``math.fsum``, Shewchuk 1997): it
depends on neither the order of the contracts nor the way they are grouped, so an independent sum
over the same chain agrees to the last digit. "total" is summed over both sides, not added from two
rounded halves. Units are those of ``greeks.domain``, each contract counting once, per unit of the
underlying. A sum of nothing is NaN: missing, not nought.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greeks.chains import SIDES, SUMMED_GREEKS, Flags, Floats, OptionChain

#: |delta| is cut into this many buckets of 0.05: bucket i is [i/20, (i + 1)/20), the last closed.
BUCKETS = 20
#: What each bucket holds: the summed Greeks, and how many contracts.
BUCKET_VALUES = (*SUMMED_GREEKS, "contracts")
BUCKETS_SHAPE = (2, BUCKETS, len(BUCKET_VALUES))
#: Inner edges of the buckets. i/20 is the float64 that a vendor's decimal text reads as.
_EDGES = np.arange(1, BUCKETS) / BUCKETS
#: Strikes farther from the spot than this say nothing about the money.
_NEAR_THE_MONEY = 0.05


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilledGreeks:
    """Our model's Greeks of contracts that the vendor left uncomputed; NaN everywhere else.

    ``greeks`` has shape (4, contracts), in the order of ``SUMMED_GREEKS``; ``implied_volatility``
    is what they were computed at.
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
    """What a chain comes to. NaN is missing; arrays are in the order of their axes' names.

    ``everything`` and ``vendor`` have shape (3 sides, 4 Greeks): with what our model filled, and of
    the vendor's own Greeks alone. ``buckets`` has shape (2 sides, 20, 5): sums and number of the
    contracts with Greeks, by |delta|. ``contracts_without_greeks`` counts what the vendor did not
    compute, ``contracts_filled`` how many of those the model did.
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
    """Which contracts the vendor computed: all four Greeks are numbers."""
    return _complete(chain.greeks())


def sum_chain(chain: OptionChain, filled: FilledGreeks | None = None) -> ChainSums:
    """Sum a chain. Vendor's Greeks count where all four are there, else ``filled``, else none."""
    own = chain.greeks()
    by_vendor = _complete(own)
    filled = filled or FilledGreeks.none(len(chain))
    by_model = ~by_vendor & _complete(filled.greeks)
    greeks = np.where(by_vendor, own, filled.greeks)
    known = by_vendor | by_model
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


def put_call_ratio(call_open_interest: float, put_open_interest: float) -> float:
    """PCR: open interest of puts ÷ that of calls. NaN where one is missing or the latter nought."""
    return put_open_interest / call_open_interest if call_open_interest > 0 else math.nan


def max_pain(strike: Floats, is_call: Flags, open_interest: Floats) -> float:
    """The strike at which all open contracts together would pay least if they expired there.

    Of every strike K of the chain: Σ OI·max(K − strike, 0) over calls + Σ OI·max(strike − K, 0)
    over puts; the smallest wins, of equals the lowest strike. Contracts whose open interest is
    missing are left out; NaN where none is open.
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
    # Written with sums over the strikes below and above, which grow along the ladder.
    below, above = np.cumsum(calls), puts.sum() - np.cumsum(puts)
    below_worth, above_worth = np.cumsum(calls * candidates), np.cumsum(puts * candidates)
    pays = candidates * below - below_worth
    pays += (above_worth[-1] - above_worth) - candidates * above
    return float(candidates[np.argmin(pays)])


def atm_implied_volatility(strike: Floats, volatility: Floats, spot: float | None) -> float:
    """Implied volatility at the money: a fraction, interpolated at the spot.

    A strike's volatility is the mean of its call's and its put's (of the one that is known). The
    value is linear in the strike between the nearest strike at or below the spot and the nearest
    one above that have one; both within 5 % of the spot, else NaN.
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
    """Of calls and of puts, over those whose value is known; NaN where none is."""
    known = np.isfinite(values)
    calls, puts = values[known & is_call].tolist(), values[known & ~is_call].tolist()
    return (
        math.fsum(calls) if calls else math.nan,
        math.fsum(puts) if puts else math.nan,
    )


def _buckets(greeks: Floats, known: Flags, is_call: Flags) -> Floats:
    """Sums by side and |delta|. An empty bucket is nought of no contracts: that is known."""
    buckets = np.zeros((2 * BUCKETS, len(BUCKET_VALUES)))
    rows = np.flatnonzero(known)
    if rows.size:
        place: NDArray[np.int64] = np.searchsorted(_EDGES, np.abs(greeks[0, rows]), side="right")
        place += np.where(is_call[rows], 0, BUCKETS)
        order = np.argsort(place, kind="stable")
        place, columns = place[order], greeks[:, rows[order]].tolist()
        places = place.tolist()
        starts = np.flatnonzero(np.diff(place, prepend=-1)).tolist()
        for start, end in zip(starts, [*starts[1:], rows.size], strict=True):
            sums = [math.fsum(column[start:end]) for column in columns]
            buckets[places[start]] = (*sums, end - start)
    return buckets.reshape(BUCKETS_SHAPE)
