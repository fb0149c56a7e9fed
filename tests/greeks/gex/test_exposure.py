"""The engine on chains small enough to compute by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from greeks.gex.engine.crossings import NoFlip, zero_gamma
from greeks.gex.engine.definition import DEALERS, PERFILIEV, SETTLEMENT_INSTANT
from greeks.gex.engine.exposure import compute_exposure, summarise, zero_dte_share
from greeks.maths import black_scholes
from tests.greeks.gex.tiny import LATER, TODAY, USUAL, columns, exposure, summary

NAN = math.nan
#: Vendor's gammas alone: each contract is 0.02 · OI · 100 · 100² · 0.01 = 200 · OI.
BY_HAND = [
    (90.0, "P", 30.0, NAN, 0.02),
    (95.0, "P", 20.0, NAN, 0.02),
    (100.0, "C", 5.0, NAN, 0.02),
    (100.0, "P", 5.0, NAN, 0.02),
    (105.0, "C", 40.0, NAN, 0.02),
    (110.0, "C", 10.0, NAN, 0.02),
]
THREE = [(95.0, "P", 20.0, 0.2, NAN), (100.0, "P", 5.0, 0.2, NAN), (110.0, "C", 30.0, 0.2, NAN)]


def test_exposure_is_gamma_open_interest_multiplier_spot_squared_a_percent() -> None:
    found = summary(BY_HAND)
    assert found.call == pytest.approx(200.0 * 55)
    assert found.put == pytest.approx(-200.0 * 55)
    assert found.net == pytest.approx(0.0, abs=1e-9)
    assert found.absolute == pytest.approx(200.0 * 110)


def test_walls_lie_on_their_side_of_the_spot_or_at_it_and_the_largest_anywhere() -> None:
    found = summary(BY_HAND)
    assert (found.call_wall, found.put_wall) == (105.0, 90.0)
    above = [*BY_HAND, (115.0, "P", 99.0, NAN, 0.02), (85.0, "C", 99.0, NAN, 0.02)]
    found = summary(above)
    assert (found.call_wall, found.put_wall) == (105.0, 90.0)
    assert (found.largest_call_strike, found.largest_put_strike) == (85.0, 115.0)
    at_spot = [(100.0, "C", 9.0, NAN, 0.02), (100.0, "P", 9.0, NAN, 0.02)]
    assert (summary(at_spot).call_wall, summary(at_spot).put_wall) == (100.0, 100.0)


def test_of_equal_strikes_the_nearest_to_the_spot_is_the_wall() -> None:
    rows = [(strike, side, 7.0, NAN, 0.02) for side in "CP" for strike in (80.0, 90, 110, 120)]
    assert (summary(rows).call_wall, summary(rows).put_wall) == (110.0, 90.0)


def test_strike_without_exposure_is_no_wall() -> None:
    found = summary([(105.0, "C", 9.0, NAN, 0.0), (95.0, "C", 9.0, NAN, 0.02)])
    assert (found.call_wall, found.put_wall) == (None, None)
    assert found.largest_call_strike == 95.0


@pytest.mark.parametrize(
    ("dealers", "call", "put"),
    [("long_calls_short_puts", 1, -1), ("short_calls_long_puts", -1, 1), ("long_both", 1, 1),
     ("short_both", -1, -1)],
)  # fmt: skip
def test_dealers_sign_is_switchable_and_moves_no_wall(dealers: str, call: int, put: int) -> None:
    found = summarise(compute_exposure(columns(BY_HAND), SETTLEMENT_INSTANT, DEALERS[dealers]))
    assert (found.call, found.put) == pytest.approx((call * 11_000.0, put * 11_000.0))
    assert (found.call_wall, found.put_wall) == (105.0, 90.0)


def test_vanna_is_a_volatility_point_and_charm_a_calendar_day() -> None:
    rows = [(105.0, "C", 10.0, 0.25, NAN), (95.0, "P", 4.0, 0.3, NAN)]
    carry = {"rate": np.array([0.05, 0.05]), "dividend_yield": np.array([0.02, 0.02])}
    found = summary(rows, **carry)

    def delta(strike: float, volatility: float, years: float, *, is_call: bool) -> float:
        return float(
            black_scholes.all_greeks(100.0, strike, years, 0.05, 0.02, volatility, is_call).delta
        )

    years, step = 21 / 365, 1e-5
    vanna, charm = 0.0, 0.0
    for strike, side, contracts, volatility, _ in rows:
        is_call = side == "C"
        units = contracts * 100.0 * (1.0 if is_call else -1.0)
        by_volatility = delta(strike, volatility + step, years, is_call=is_call) - delta(
            strike, volatility - step, years, is_call=is_call
        )
        by_time = delta(strike, volatility, years - step, is_call=is_call) - delta(
            strike, volatility, years + step, is_call=is_call
        )
        vanna += by_volatility / (2 * step) * units * 100.0 * 0.01
        charm += by_time / (2 * step) / 365 * units * 100.0
    assert found.vanna == pytest.approx(vanna, rel=1e-6)
    assert found.charm == pytest.approx(charm, rel=1e-6)


def test_flip_is_where_the_whole_chain_priced_anew_is_neutral() -> None:
    found = summary(THREE)
    level = found.zero_gamma.level
    assert level is not None
    assert found.zero_gamma.crossings == (level,)

    def net(spot: float) -> float:
        return sum(
            (1 if side == "C" else -1)
            * contracts
            * float(
                black_scholes.all_greeks(
                    spot, strike, 21 / 365, 0.0, 0.0, volatility, is_call=side == "C"
                ).gamma
            )
            for strike, side, contracts, volatility, _ in THREE
        )

    assert net(level - 0.02) < 0 < net(level + 0.02)


def test_profile_at_the_spot_is_the_net_exposure() -> None:
    found = exposure(THREE)
    middle = found.levels.size // 2
    assert found.levels[middle] == pytest.approx(100.0)
    assert found.profile[middle, 0] == pytest.approx(summarise(found).net)


def test_flip_of_one_side_or_of_a_thin_chain_has_a_reason_instead() -> None:
    calls = [(strike, "C", 9.0, 0.2, NAN) for strike in (95.0, 100.0, 105.0, 110.0)]
    assert summary(calls).zero_gamma.reason is NoFlip.ONE_SIDED
    assert summary(THREE[1:]).zero_gamma.reason is NoFlip.THIN
    # Without a volatility nothing can be priced anew.
    assert summary(BY_HAND).zero_gamma.reason is NoFlip.THIN
    more_puts = [(95.0, "P", 900.0, 0.2, NAN), *THREE[1:], (110.0, "P", 90.0, 0.2, NAN)]
    assert summary(more_puts).zero_gamma.reason is NoFlip.ONE_SIDED
    assert summary(calls).zero_gamma.level is None


def test_all_crossings_are_told_and_the_headline_is_the_nearest_off_the_edges() -> None:
    levels = np.linspace(80.0, 120.0, 9)
    signs = np.array([1.0, -1, -1, 1, 1, 1, -1, -3, 3])
    found = zero_gamma(levels, signs, spot=100.0, scale=10.0)
    assert found.crossings == pytest.approx((82.5, 92.5, 107.5, 117.5))
    assert found.level == pytest.approx(92.5)
    only_edges = np.array([1.0, -1, -1, -1, -1, -1, -1, -1, 1])
    edge = zero_gamma(levels, only_edges, spot=100.0, scale=10.0)
    assert (edge.level, edge.reason) == (None, NoFlip.EDGE)
    assert edge.crossings == pytest.approx((82.5, 117.5))


def test_touching_zero_is_no_crossing_and_passing_through_it_is() -> None:
    levels = np.linspace(80.0, 120.0, 9)
    touches = np.array([2.0, 2, 2, 1, 0, 1, 2, 2, 2])
    assert zero_gamma(levels, touches, spot=100.0, scale=1.0).reason is NoFlip.ONE_SIDED
    passes = np.array([2.0, 2, 2, 1, 0, -1, -2, -2, -2])
    assert zero_gamma(levels, passes, spot=100.0, scale=1.0).level == pytest.approx(100.0)
    noise = np.array([1e-15, -1e-15, 1, 1, 1, 1, 1, 1e-15, -1e-15])
    assert zero_gamma(levels, noise, spot=100.0, scale=1.0).reason is NoFlip.ONE_SIDED


def test_today_s_expiry_can_be_left_out_and_has_its_share() -> None:
    days = np.array([TODAY.toordinal()] * 2 + [LATER.toordinal()] * 4)
    found = exposure(BY_HAND, expiry=days)
    assert zero_dte_share(found) == pytest.approx(50 / 110)
    later = summarise(found, without_zero_dte=True)
    assert later.absolute == pytest.approx(200.0 * 60)
    assert later.put_wall == 100.0
    assert zero_dte_share(exposure([])) is None


def test_chosen_expiries_alone_are_summed() -> None:
    days = np.array([TODAY.toordinal()] * 3 + [LATER.toordinal()] * 3)
    found = compute_exposure(
        columns(BY_HAND, expiry=days), SETTLEMENT_INSTANT, USUAL, (date.fromordinal(int(days[0])),)
    )
    assert summarise(found).absolute == pytest.approx(200.0 * 55)
    assert found.expiries.tolist() == [TODAY.toordinal()]


def test_preset_counts_weekdays_drops_the_day_s_and_takes_the_vendor_s_gamma() -> None:
    rows = [*((*row[:4], 0.03) for row in THREE), (101.0, "C", 50.0, 0.2, 0.03)]
    both = columns(rows, weekdays=np.array([15, 15, 15, 0]))
    found = compute_exposure(both, PERFILIEV, USUAL)
    assert found.contracts == 3
    assert summarise(found).absolute == pytest.approx(0.03 * 100.0**2 * 55)
    assert found.levels.size == 60
    # A level is the plain sum of Black-Scholes gammas at T = 15 / 262, without rate or yield.
    level = float(found.levels[17])
    gammas = [
        float(black_scholes.all_greeks(level, row[0], 15 / 262, 0, 0, row[3], True).gamma)
        for row in THREE
    ]
    net = (30 * gammas[2] - 20 * gammas[0] - 5 * gammas[1]) * 100 * level**2 * 0.01
    assert found.profile[17, 0] == pytest.approx(net)


def test_contract_without_volatility_counts_at_the_vendor_s_gamma_or_not_at_all() -> None:
    rows = [*THREE, (105.0, "C", 7.0, NAN, 0.01), (106.0, "C", 7.0, NAN, NAN)]
    found = exposure(rows)
    assert (found.contracts, found.unpriced, found.undetermined) == (4, 1, 1)
    assert summarise(found).call - summary(THREE).call == pytest.approx(0.01 * 700 * 100.0)


def test_matrix_adds_up_to_the_sums_and_strikes_ascend() -> None:
    rng = np.random.default_rng(7)
    rows = [
        (float(strike), "CP"[place % 2], float(oi), 0.1 + 0.3 * float(vol), NAN)
        for place, (strike, oi, vol) in enumerate(
            zip(rng.integers(80, 120, 300), rng.integers(1, 99, 300), rng.random(300), strict=True)
        )
    ]
    days = rng.integers(TODAY.toordinal(), TODAY.toordinal() + 5, 300)
    found = exposure(rows, expiry=days)
    total = summarise(found)
    assert all(low < high for low, high in pairwise(found.strikes.tolist()))
    assert found.call.sum() + found.put.sum() == pytest.approx(total.net)
    greeks = black_scholes.all_greeks(
        100.0, [row[0] for row in rows], 21 / 365, 0, 0, [row[3] for row in rows],
        [row[1] == "C" for row in rows],
    )  # fmt: skip
    signed = np.array([row[2] * (1 if row[1] == "C" else -1) for row in rows])
    assert total.net == pytest.approx(float((greeks.gamma * signed).sum() * 100 * 100**2 * 0.01))


def test_definition_that_carries_uses_rate_and_yield() -> None:
    carried = columns(THREE, rate=np.full(3, 0.08), dividend_yield=np.full(3, 0.01))
    plain = replace(SETTLEMENT_INSTANT, carries=False)
    with_carry = compute_exposure(carried, SETTLEMENT_INSTANT, USUAL)
    expected = black_scholes.all_greeks(100.0, 110.0, 21 / 365, 0.08, 0.01, 0.2, is_call=True).gamma
    assert with_carry.call.sum() == pytest.approx(float(expected) * 3000 * 100.0)
    without = compute_exposure(carried, plain, USUAL)
    assert without.call.sum() == pytest.approx(exposure(THREE).call.sum())
