"""Revaluation of a book: identities, QuantLib's values, and what is left out and why."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
import QuantLib
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from greeks.maths import american, discrete_dividends, valuation
from portfolio.risk.legs import RiskLeg
from portfolio.risk.scenarios.grid import american_error
from tests.portfolio.risk.legs import AT, SPOT, option_leg, ready, stock_leg

BELOW_ZERO = "no model values an option at or below zero"
SPOTS = 1.0 + np.array([-0.2, -0.05, 0.0, 0.05, 0.2])
VOLS = np.array([-0.1, 0.0, 0.1])
DAYS = np.array([0, 7, 30, 60])

legs = st.lists(
    st.builds(
        option_leg,
        strike=st.sampled_from([480.0, 570.0, 600.0, 640.0, 750.0]),
        right=st.sampled_from("CP"),
        days=st.sampled_from([0.3, 7.0, 45.0, 400.0]),
        iv=st.floats(0.05, 1.5),
        quantity=st.integers(-50, 50).filter(bool).map(float),
        style=st.sampled_from(["european", "european", "american"]),
    ),
    min_size=1,
    max_size=6,
)


@given(legs=legs)
def test_nothing_moved_is_no_profit_and_no_loss(legs: list[RiskLeg]) -> None:
    book = ready(*legs, stock_leg())
    assert book.left_out == ()
    pnl = book.pnl(SPOTS, VOLS, DAYS)
    assert np.all(pnl[0, 1, 2] == 0.0)
    assert np.isfinite(pnl).all()


@given(legs=legs)
def test_cells_of_two_books_add(legs: list[RiskLeg]) -> None:
    half = len(legs) // 2
    whole = ready(*legs).pnl(SPOTS, VOLS, DAYS).sum(axis=-1)
    parts = sum(
        ready(*part).pnl(SPOTS, VOLS, DAYS).sum(axis=-1) for part in (legs[:half], legs[half:])
    )
    assert np.allclose(whole, parts, rtol=1e-9, atol=1e-6)


def test_single_move_for_each_leg_equals_the_same_move_for_all() -> None:
    book = ready(option_leg(), option_leg(right="P", style="american"), stock_leg())
    alone = book.pnl(
        np.repeat(SPOTS[:, None], 3, axis=1), np.repeat(VOLS[:, None], 3, axis=1), DAYS
    )
    assert np.allclose(alone, book.pnl(SPOTS, VOLS, DAYS), rtol=1e-12, atol=1e-9)


def test_stock_moves_with_its_price_and_with_nothing_else() -> None:
    pnl = ready(stock_leg(quantity=-44.0)).pnl([0.9, 1.1], VOLS, DAYS)[..., 0]
    assert np.allclose(pnl[:, :, 0], 44 * 60.0)
    assert np.allclose(pnl[:, :, 1], -44 * 60.0)


def test_leg_that_expires_on_the_way_is_worth_its_intrinsic_value() -> None:
    book = ready(option_leg(strike=580.0, days=10, quantity=3.0))
    pnl = book.pnl([1.1], [0.0], [30])[0, 0, 0, 0]
    now = float(book.base_values.sum())
    assert pnl == pytest.approx(3 * 100 * (SPOT * 1.1 - 580.0) - now, rel=1e-12)


def test_small_moves_are_what_the_greeks_say() -> None:
    book = ready(option_leg(), option_leg(right="P", strike=560.0, quantity=5.0))
    greeks = valuation.greeks(book.options)
    up, down = book.pnl([1.0005, 0.9995], [0.0], [0])[0, 0].sum(axis=-1)
    step = SPOT * 0.0005
    delta, gamma = (float((getattr(greeks, n) * book.scale).sum()) for n in ("delta", "gamma"))
    assert (up - down) / (2 * step) == pytest.approx(delta, rel=1e-4)
    assert (up + down) / step**2 == pytest.approx(gamma, rel=1e-3)
    vega = book.pnl([1.0], [0.0001], [0])[0, 0, 0].sum() / 0.01
    assert vega == pytest.approx(float((greeks.vega * book.scale).sum()), rel=1e-3)
    theta = book.pnl([1.0], [0.0], [0.001])[0, 0, 0].sum() / 0.001
    assert theta == pytest.approx(float((greeks.theta * book.scale).sum()), rel=1e-3)


def _quantlib(leg: RiskLeg, *, spot: float, vol: float, days: int) -> float:
    """Return the leg's price on a day that is ``days`` later."""
    today = QuantLib.Date(AT.day, AT.month, AT.year) + days
    QuantLib.Settings.instance().evaluationDate = today
    count = QuantLib.Actual365Fixed()

    def flat(rate: float) -> QuantLib.YieldTermStructureHandle:
        return QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(today, rate, count))

    process = QuantLib.BlackScholesMertonProcess(
        QuantLib.QuoteHandle(QuantLib.SimpleQuote(spot)),
        flat(0.0),
        flat(settings.RISK_FREE_RATE),
        QuantLib.BlackVolTermStructureHandle(
            QuantLib.BlackConstantVol(today, QuantLib.NullCalendar(), vol, count)
        ),
    )
    kind = QuantLib.Option.Call if leg.right == "C" else QuantLib.Option.Put
    payoff = QuantLib.PlainVanillaPayoff(kind, leg.strike)
    expiry = QuantLib.Date(AT.day, AT.month, AT.year) + int(
        (leg.expires_at or AT).toordinal() - AT.toordinal()
    )
    if leg.exercise_style == "european":
        option = QuantLib.VanillaOption(payoff, QuantLib.EuropeanExercise(expiry))
        option.setPricingEngine(QuantLib.AnalyticEuropeanEngine(process))
    else:
        option = QuantLib.VanillaOption(payoff, QuantLib.AmericanExercise(today, expiry))
        option.setPricingEngine(
            QuantLib.QdFpAmericanEngine(process, QuantLib.QdFpAmericanEngine.highPrecisionScheme())
        )
    return float(option.NPV())


def test_grid_equals_a_revaluation_by_quantlib() -> None:
    chosen = [
        option_leg(strike=580.0, quantity=-3.0, id="1"),
        option_leg(strike=560.0, right="P", days=120, iv=0.27, quantity=4.0, id="2"),
        option_leg(strike=640.0, right="P", style="american", iv=0.22, quantity=-2.0, id="3"),
        option_leg(strike=600.0, right="P", style="american", days=200, quantity=1.0, id="4"),
    ]
    book = ready(*chosen)
    pnl = book.pnl([0.85, 1.0, 1.1], [-0.05, 0.1], [0, 20])
    for leg_index, leg in enumerate(chosen):
        iv = leg.implied_volatility or 0.0
        base = _quantlib(leg, spot=SPOT, vol=iv, days=0)
        for d, days in enumerate((0, 20)):
            for v, vol in enumerate((-0.05, 0.1)):
                for s, factor in enumerate((0.85, 1.0, 1.1)):
                    moved = _quantlib(leg, spot=SPOT * factor, vol=iv + vol, days=days)
                    expected = (moved - base) * leg.leg.quantity * 100
                    error = 1e-6 if leg.exercise_style == "european" else 2e-4 * 600 / 100
                    assert pnl[d, v, s, leg_index] == pytest.approx(
                        expected, abs=error * abs(leg.leg.quantity) * 100
                    )


def test_missing_volatility_comes_from_the_price() -> None:
    known = ready(option_leg(iv=0.31))
    price = float(valuation.value(known.options)[0])
    book = ready(option_leg(iv=None, price=price))
    assert book.iv_sources == ("price",)
    assert book.options.volatility[0] == pytest.approx(0.31, abs=1e-8)


def test_price_without_a_volatility_takes_the_nearest_strike_of_its_expiry() -> None:
    deep = option_leg(strike=300.0, iv=None, price=290.0, id="deep")
    near = option_leg(strike=560.0, iv=0.33, id="near")
    far = option_leg(strike=640.0, iv=0.11, id="far")
    book = ready(deep, near, far)
    assert dict(zip((leg.id for leg in book.legs), book.iv_sources, strict=True)) == {
        "deep": "neighbour", "near": "own", "far": "own",
    }  # fmt: skip
    assert book.options.volatility[0] == 0.33


@pytest.mark.parametrize(
    ("style", "price"),
    # A European put is worth less than its intrinsic value: 295.6 at the least.
    [("american", 300.0), ("american", 290.0), ("european", 295.0), ("european", 290.0)],
)
def test_price_that_is_all_intrinsic_value_moves_like_the_underlying(
    style: str, price: float
) -> None:
    deep = option_leg(strike=900.0, right="P", style=style, iv=None, price=price, quantity=-5.0)
    book = ready(deep)
    assert (book.left_out, book.iv_sources) == ((), ("intrinsic",))
    assert book.pnl([0.9], [0.0], [0]).sum() == pytest.approx(-5 * 100 * 60.0, rel=0.01)


def test_worthless_option_far_out_of_the_money_costs_what_a_crash_makes_of_it() -> None:
    book = ready(option_leg(strike=500.0, right="P", iv=None, price=0.0, quantity=-1.0))
    assert book.iv_sources == ("intrinsic",)
    assert book.pnl([0.8, 1.1], [0.0], [60])[0, 0, :, 0] == pytest.approx([-2000.0, 0.0])


def test_spot_of_nought_is_none() -> None:
    lost = option_leg(underlying_price=0.0)
    assert ready(lost).spots == pytest.approx([SPOT])
    assert [each.reason for each in ready(lost, spots={}).left_out] == [
        "no price of the underlying"
    ]


def test_yield_of_a_leg_is_the_one_that_gives_its_mark() -> None:
    pair = [option_leg(days=200, right=right, id=right) for right in "CP"]
    arrays = ready(*pair).options
    paying = valuation.Legs.of(
        spot=arrays.spot, strike=arrays.strike, years=arrays.years, rate=arrays.rate,
        dividend_yield=0.018, volatility=arrays.volatility, is_call=arrays.is_call,
    )  # fmt: skip
    marks = valuation.value(paying)
    book = ready(*(leg._replace(leg=leg.leg._replace(price=float(mark)))
                   for leg, mark in zip(pair, marks, strict=True)))  # fmt: skip
    assert book.options.dividend_yield == pytest.approx(0.018, abs=3e-4)
    assert valuation.value(book.options) == pytest.approx(marks, rel=2e-3)


def test_volatility_index_is_carried_to_its_future() -> None:
    """Marks of a 16 and a 23 call with the index at 14.48, its future at about 16.2."""
    marks = (3.25, 1.49)
    terms: dict[str, Any] = {"underlying": "VIX", "underlying_price": 14.48, "days": 61}
    book = ready(
        option_leg(strike=16.0, iv=1.1575, price=marks[0], id="1", **terms),
        option_leg(strike=23.0, iv=1.2527, price=marks[1], id="2", **terms),
    )
    assert valuation.value(book.options) == pytest.approx(marks, rel=0.06)


@pytest.mark.parametrize("mark", [0.01, 1200.0])
@pytest.mark.parametrize("style", ["american", "european"])
@pytest.mark.parametrize("underlying", ["VIX", "SPY"])
def test_mark_that_no_carry_explains_leaves_every_cell_finite(
    underlying: str, style: str, mark: float
) -> None:
    book = ready(
        *(
            option_leg(
                underlying=underlying, style=style, price=mark, right=right, days=days, iv=5.0,
                strike=480.0, id=f"{right}{days}",
            )
            for right in "CP"
            for days in (1.0, 45.0, 1500.0)
        )
    )  # fmt: skip
    assert np.abs(book.options.dividend_yield * book.options.years).max() <= 0.5
    assert np.isfinite(book.pnl(SPOTS, [-3.0, 0.0, 3.0], DAYS)).all()


def test_futures_options_carry_the_rate() -> None:
    book = ready(option_leg(instrument_type="future_option", price=20.0))
    assert book.options.dividend_yield[0] == settings.RISK_FREE_RATE


def test_dividends_that_are_known_leave_no_yield() -> None:
    leg = option_leg(right="P", style="european", price=20.0)
    plain, paying = (
        ready(leg),
        ready(leg, dividends={"stock:SPY:USD": ((date(2026, 12, 18), 5.0),)}),
    )
    assert paying.options.dividends is not None
    assert paying.options.dividend_yield[0] == 0.0
    assert plain.options.dividend_yield[0] != 0.0
    # From the opening in New York, 14:30 UTC.
    assert paying.options.dividends.times[0, 0] == pytest.approx((28 - 1.5 / 24) / 365, rel=1e-9)


def test_dividend_after_a_legs_expiry_changes_nothing_of_it() -> None:
    leg = option_leg(right="P", style="american", price=20.0)
    later = ready(leg, dividends={"stock:SPY:USD": ((date(2027, 2, 1), 5.0),)})
    assert np.array_equal(later.pnl(SPOTS, VOLS, DAYS), ready(leg).pnl(SPOTS, VOLS, DAYS))


def test_stated_error_is_that_of_the_model_with_dividends() -> None:
    leg = option_leg(style="american", quantity=-2.0)
    dividends = {"stock:SPY:USD": ((date(2026, 12, 18), 5.0),)}
    assert american_error(ready(leg)) == pytest.approx(2 * 200 * 600 * american.PRICE_ERROR)
    assert american_error(ready(leg, dividends=dividends)) == pytest.approx(
        2 * 200 * 600 * discrete_dividends.PRICE_ERROR
    )


def test_dividend_goes_ex_when_its_own_exchange_opens() -> None:
    paying = {"stock:SPY:INR": ((date(2026, 11, 20), 2.0), (date(2026, 12, 18), 5.0))}
    book = ready(option_leg(currency="INR"), rates={"INR": 0.012}, dividends=paying)
    assert book.options.dividends is not None
    # 09:15 in Kolkata is 03:45 UTC; today's has gone ex.
    assert book.options.dividends.times[0] == pytest.approx([(28 - 12.25 / 24) / 365], rel=1e-9)


@pytest.mark.parametrize(
    ("leg", "reason"),
    [
        (option_leg(currency="INR"), "no rate for INR"),
        (option_leg(underlying="XYZ", underlying_price=None), "no price of the underlying"),
        (option_leg(iv=None), "no implied volatility, and its price implies none"),
        (stock_leg(price=None), "no price"),
        (option_leg(strike=-5.0), BELOW_ZERO),
        (option_leg(strike=0.0), BELOW_ZERO),
        (option_leg(underlying="XYZ", underlying_price=-3.0), BELOW_ZERO),
        (option_leg()._replace(expires_at=None), "its strike, expiry or right is unknown"),
    ],
)
def test_leg_that_cannot_be_valued_is_named_with_the_reason(leg: RiskLeg, reason: str) -> None:
    book = ready(leg, option_leg(strike=610.0, days=80))
    assert [(each.leg, each.reason) for each in book.left_out] == [(leg, reason)]
    assert len(book.legs) == 1


def test_other_currency_is_converted() -> None:
    home, abroad = ready(stock_leg()), ready(stock_leg(currency="EUR"), rates={"EUR": 1.1})
    assert abroad.pnl([0.9], [0.0], [0]) == pytest.approx(1.1 * home.pnl([0.9], [0.0], [0]))


def test_empty_book_loses_nothing() -> None:
    assert ready().pnl(SPOTS, VOLS, DAYS).sum() == 0.0
    assert ready().models() == {"european": 0, "american": 0, "linear": 0}
