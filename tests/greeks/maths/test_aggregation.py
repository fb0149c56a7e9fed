from __future__ import annotations

import math
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from greeks.chains import SIDES, SUMMED_GREEKS, OptionChain
from greeks.maths.aggregation import (
    BUCKETS,
    FilledGreeks,
    atm_implied_volatility,
    max_pain,
    sum_chain,
)
from tests.greeks.scripted import chain_at

AT = datetime(2026, 11, 27, 5, 0, tzinfo=UTC)
COLUMNS = (
    "strike", "is_call", "bid", "ask", "last", "previous_close", "volume", "open_interest",
    "previous_open_interest", "implied_volatility", *SUMMED_GREEKS,
)  # fmt: skip

numbers = st.floats(-1e12, 1e12, allow_nan=False) | st.floats(-1.0, 1.0)


@st.composite
def chains(draw: Any) -> OptionChain:
    """Chains with any numbers as Greeks, some of them missing."""
    size = 2 * draw(st.integers(1, 12))
    greeks = draw(arrays.arrays(np.float64, (4, size), elements=numbers))
    greeks[0] = np.clip(greeks[0] / 1e12, -1, 1)
    missing = draw(arrays.arrays(np.bool_, size))
    greeks[:, missing] = np.nan
    interest = draw(arrays.arrays(np.float64, size, elements=st.integers(0, 10**7)))
    return chain_at(
        AT,
        strikes=size // 2,
        open_interest=interest,
        **dict(zip(SUMMED_GREEKS, greeks, strict=True)),
    )


def nearest_float(values: list[float]) -> float:
    """Return the float64 nearest to the exact sum, by whole-number arithmetic."""
    return float(sum(map(Fraction, values), Fraction(0)))


def exact_sums(chain: OptionChain) -> list[list[float]]:
    known = ~np.isnan(chain.delta)
    rows = {"call": known & chain.is_call, "put": known & ~chain.is_call, "total": known}
    return [
        [
            nearest_float(getattr(chain, greek)[rows[side]].tolist())
            if rows[side].any()
            else math.nan
            for greek in SUMMED_GREEKS
        ]
        for side in SIDES
    ]


def reordered(chain: OptionChain, order: list[int]) -> OptionChain:
    columns: dict[str, Any] = {name: getattr(chain, name)[order] for name in COLUMNS}
    keys = tuple(chain.keys[index] for index in order)
    return OptionChain(
        source=chain.source,
        instrument_key=chain.instrument_key,
        expiry=chain.expiry,
        as_of=chain.as_of,
        spot=chain.spot,
        keys=keys,
        **columns,
    )


@given(chain=chains())
def test_sums_equal_the_exact_sums_to_the_last_digit(chain: OptionChain) -> None:
    assert np.array_equal(sum_chain(chain).everything, exact_sums(chain), equal_nan=True)


@given(chain=chains(), data=st.data())
def test_order_of_the_contracts_changes_nothing(chain: OptionChain, data: Any) -> None:
    order = data.draw(st.permutations(range(len(chain))))
    sums, again = sum_chain(chain), sum_chain(reordered(chain, order))

    assert np.array_equal(sums.everything, again.everything, equal_nan=True)
    assert np.array_equal(sums.buckets, again.buckets)
    assert (sums.max_pain == again.max_pain) or math.isnan(sums.max_pain)


@given(chain=chains())
def test_buckets_add_up_to_what_has_greeks(chain: OptionChain) -> None:
    sums = sum_chain(chain)

    counts = sums.buckets[..., -1]
    assert counts.sum() == sums.contracts - sums.contracts_without_greeks
    for side in (0, 1):
        if counts[side].any():
            scale = np.abs(chain.greeks()[:, ~np.isnan(chain.delta)]).sum(axis=1) + 1e-300
            difference = sums.buckets[side, :, :4].sum(axis=0) - sums.everything[side]
            assert (np.abs(difference) <= 1e-12 * scale).all()


@given(chain=chains())
def test_every_contract_lies_in_the_bucket_of_its_delta(chain: OptionChain) -> None:
    buckets = sum_chain(chain).buckets
    expected = np.zeros((2, BUCKETS))
    for delta, is_call in zip(chain.delta.tolist(), chain.is_call.tolist(), strict=True):
        if not math.isnan(delta):
            # Exactly: the edges are the floats of 0.05, 0.10, … as they are written.
            place = sum(abs(delta) >= float(f"{edge * 5 / 100:.2f}") for edge in range(1, BUCKETS))
            expected[0 if is_call else 1, place] += 1

    assert np.array_equal(buckets[..., -1], expected)


def test_deltas_on_an_edge_belong_to_the_bucket_above_it() -> None:
    chain = chain_at(AT, strikes=2, delta=np.array([0.15, -0.3, 1.0, -1.0]))

    counts = sum_chain(chain).buckets[..., -1]

    assert np.flatnonzero(counts[0]).tolist() == [3, 19]
    assert np.flatnonzero(counts[1]).tolist() == [6, 19]


def test_contracts_without_greeks_are_counted_and_not_summed_as_nought() -> None:
    chain = chain_at(AT, strikes=4, without_greeks=8)

    sums = sum_chain(chain)

    assert (sums.contracts, sums.contracts_without_greeks, sums.contracts_filled) == (8, 8, 0)
    assert np.isnan(sums.everything).all()


def test_a_contract_with_one_greek_missing_counts_as_without() -> None:
    whole = chain_at(AT, strikes=3)
    gamma = whole.gamma.copy()
    gamma[2] = np.nan

    sums = sum_chain(chain_at(AT, strikes=3, gamma=gamma))

    assert sums.contracts_without_greeks == 1
    assert sums.everything[2, 0] == nearest_float(np.delete(whole.delta, 2).tolist())


def test_filled_greeks_are_in_the_sums_and_the_vendors_own_beside() -> None:
    chain = chain_at(AT, strikes=4, without_greeks=2)
    missing = np.isnan(chain.delta)
    filled = FilledGreeks.none(len(chain))
    filled.greeks[:, missing] = 0.125
    filled.implied_volatility[missing] = 0.2

    sums = sum_chain(chain, filled)

    assert sums.contracts_filled == 2
    assert sums.everything[2, 0] == nearest_float([*chain.delta[~missing].tolist(), 0.125, 0.125])
    assert sums.vendor[2, 0] == nearest_float(chain.delta[~missing].tolist())


def test_filled_greeks_never_replace_the_vendors() -> None:
    chain = chain_at(AT, strikes=4)
    filled = FilledGreeks(greeks=np.full((4, 8), 9.0), implied_volatility=np.full(8, 9.0))

    sums = sum_chain(chain, filled)

    assert np.array_equal(sums.everything, sum_chain(chain).everything)
    assert sums.contracts_filled == 0


@given(
    strikes=st.lists(st.integers(1, 400), min_size=1, max_size=15, unique=True),
    data=st.data(),
)
def test_max_pain_is_the_strike_that_pays_least(strikes: list[int], data: Any) -> None:
    ladder = sorted(strikes)
    strike = np.repeat(np.array(ladder, dtype=float) * 50, 2)
    is_call = np.arange(strike.size) % 2 == 0
    interest = data.draw(
        arrays.arrays(np.float64, strike.size, elements=st.integers(0, 10**6).map(float))
    )

    def pays(at: float) -> float:
        return sum(
            open_ * (max(at - k, 0.0) if call else max(k - at, 0.0))
            for k, call, open_ in zip(strike.tolist(), is_call, interest.tolist(), strict=True)
        )

    found = max_pain(strike, is_call, interest)

    if not interest.any():
        assert math.isnan(found)
    else:
        assert found == min(sorted(set(strike.tolist())), key=pays)


def test_exact_tie_of_max_pain_goes_to_the_lower_strike() -> None:
    """Strikes in dimes are no binary fractions: the sums of a tie differ by rounding."""
    random = np.random.default_rng(0)
    ties = 0
    for _ in range(300):
        dimes = np.arange(random.integers(5, 40), random.integers(41, 60))
        strike, is_call = np.repeat(dimes / 10.0, 2), np.arange(2 * dimes.size) % 2 == 0
        interest = random.integers(0, 4, strike.size)
        distance = dimes[:, None] - np.repeat(dimes, 2)
        owed = np.where(is_call, np.maximum(distance, 0), np.maximum(-distance, 0))
        pays = owed @ interest
        ties += int(np.sum(pays == pays.min()) > 1)
        right = dimes[np.argmin(pays)] / 10.0
        assert max_pain(strike, is_call, interest.astype(np.float64)) == right
    assert ties > 50


def test_open_interest_that_is_missing_is_left_out() -> None:
    interest = np.full(8, np.nan)
    unknown = sum_chain(chain_at(AT, strikes=4, open_interest=interest))
    interest[1] = 300.0
    puts_only = sum_chain(chain_at(AT, strikes=4, open_interest=interest))

    assert math.isnan(unknown.call_open_interest)
    assert math.isnan(unknown.pcr)
    assert math.isnan(unknown.max_pain)
    assert puts_only.put_open_interest == 300.0
    assert math.isnan(puts_only.pcr)


def test_put_call_ratio_is_of_open_interest() -> None:
    sums = sum_chain(chain_at(AT, strikes=2, open_interest=np.array([100.0, 50.0, 300.0, 250.0])))

    assert sums.pcr == 0.75


def test_volatility_at_the_money_is_interpolated_between_the_strikes_around_the_spot() -> None:
    strike = np.array([100.0, 100.0, 104.0, 104.0])
    volatility = np.array([0.20, 0.22, 0.30, np.nan])

    assert atm_implied_volatility(strike, volatility, 101.0) == pytest.approx(0.21 + 0.09 / 4)
    assert atm_implied_volatility(strike, volatility, 100.0) == pytest.approx(0.21)


@pytest.mark.parametrize("spot", [None, math.nan, 99.0, 120.0])
def test_volatility_at_the_money_is_missing_where_no_strikes_enclose_the_spot(
    spot: float | None,
) -> None:
    strike, volatility = np.array([100.0, 104.0]), np.array([0.2, 0.3])

    assert math.isnan(atm_implied_volatility(strike, volatility, spot))
