from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from greeks.chains import SUMMED_GREEKS, OptionChain
from greeks.maths import american, black_scholes
from greeks.polling.fill import ChainTerms, fill_greeks
from tests.greeks.scripted import EXPIRES, OPENS, RATE, chain_at

AT = OPENS + timedelta(hours=1)


def terms(**changes: Any) -> ChainTerms:
    return replace(ChainTerms(at=AT, expires_at=EXPIRES, rate=RATE), **changes)


def column(chain: OptionChain, name: str, row: int, value: float) -> Any:
    values = getattr(chain, name).copy()
    values[row] = value
    return values


def without(names: Iterable[str], nothing: Any) -> dict[str, Any]:
    """These columns, all missing."""
    return dict.fromkeys(names, nothing)


def test_computed_contracts_are_left_alone() -> None:
    filled = fill_greeks(chain_at(AT), terms())

    assert np.isnan(filled.greeks).all()
    assert np.isnan(filled.implied_volatility).all()


def test_vendors_volatility_gives_the_greeks_that_it_left_out() -> None:
    whole = chain_at(AT, strikes=16)
    nothing = np.full(len(whole), math.nan)
    chain = chain_at(AT, strikes=16, **without(SUMMED_GREEKS, nothing))

    filled = fill_greeks(chain, terms())

    assert np.array_equal(filled.implied_volatility, whole.implied_volatility)
    # The parity forward comes from quotes in ticks of 0.05.
    assert filled.greeks == pytest.approx(whole.greeks(), rel=5e-3, abs=2e-5)


def test_mid_of_a_two_sided_quote_implies_the_volatility() -> None:
    whole = chain_at(AT, strikes=16)
    nothing = np.full(len(whole), math.nan)
    chain = chain_at(AT, strikes=16, implied_volatility=nothing, **without(SUMMED_GREEKS, nothing))

    filled = fill_greeks(chain, terms())

    out_of_the_money = np.abs(whole.delta) < 0.5
    assert filled.implied_volatility[out_of_the_money] == pytest.approx(
        whole.implied_volatility[out_of_the_money], rel=2e-2
    )
    assert filled.greeks[0] == pytest.approx(whole.delta, abs=5e-3)


def test_other_side_of_the_strike_lends_its_volatility_where_a_price_says_nothing() -> None:
    """Deep in the money a quote below its intrinsic value implies no volatility."""
    whole = chain_at(AT)
    deep = int(np.argmin(whole.strike))
    chain = chain_at(
        AT,
        bid=column(whole, "bid", deep, 1.0),
        ask=column(whole, "ask", deep, 1.1),
        **{
            name: column(whole, name, deep, math.nan)
            for name in ("implied_volatility", *SUMMED_GREEKS)
        },
    )

    filled = fill_greeks(chain, terms())

    assert filled.implied_volatility[deep] == whole.implied_volatility[deep + 1]
    assert filled.greeks[0, deep] == pytest.approx(whole.delta[deep], abs=1e-4)


@pytest.mark.parametrize(("bid", "ask"), [(math.nan, 5.0), (0.0, 5.0), (6.0, 5.0)])
def test_contract_without_a_volatility_or_two_sides_stays_without_greeks(
    bid: float, ask: float
) -> None:
    whole = chain_at(AT, strikes=8)
    nothing = np.full(len(whole), math.nan)
    strike_without = without(("implied_volatility", *SUMMED_GREEKS), nothing)
    chain = chain_at(
        AT,
        strikes=8,
        bid=column(whole, "bid", 0, bid),
        ask=column(whole, "ask", 0, ask),
        **strike_without,
    )

    filled = fill_greeks(chain, terms())

    assert np.isnan(filled.greeks[:, 0]).all()
    assert np.isfinite(filled.greeks[:, 1]).all()


@pytest.mark.parametrize("volatility", [0.001, 9.0, -0.2])
def test_implausible_volatility_is_not_believed(volatility: float) -> None:
    whole = chain_at(AT, strikes=8)
    nothing = np.full(len(whole), math.nan)
    chain = chain_at(
        AT,
        strikes=8,
        bid=nothing,
        ask=nothing,
        implied_volatility=np.full(len(whole), volatility),
        **without(SUMMED_GREEKS, nothing),
    )

    assert np.isnan(fill_greeks(chain, terms()).greeks).all()


def test_nothing_is_filled_at_expiry() -> None:
    chain = chain_at(AT, without_greeks=80)

    assert np.isnan(fill_greeks(chain, terms(at=EXPIRES)).greeks).all()


def test_without_spot_the_forward_comes_from_parity() -> None:
    whole = chain_at(AT, strikes=16)
    filled = fill_greeks(chain_at(AT, strikes=16, without_greeks=4, spot=None), terms())
    missing = np.isfinite(filled.greeks[0])

    assert missing.sum() == 4
    assert filled.greeks[0, missing] == pytest.approx(whole.delta[missing], abs=1e-3)


def test_american_contracts_are_priced_by_their_exercise_boundary() -> None:
    strike = np.repeat(np.array([95.0, 100.0, 105.0]), 2)
    is_call = np.arange(6) % 2 == 0
    years, volatility = 0.25, 0.3
    price = american.price(100.0, strike, years, 0.05, 0.0, volatility, is_call)
    nothing = np.full(6, math.nan)
    chain = chain_at(
        AT, strikes=3, strike=strike, is_call=is_call, bid=price - 0.001, ask=price + 0.001,
        spot=100.0, implied_volatility=nothing, **without(SUMMED_GREEKS, nothing),
    )  # fmt: skip

    filled = fill_greeks(
        chain,
        terms(expires_at=AT + timedelta(days=365 * years), rate=0.05, is_american=True),
    )

    expected = american.all_greeks(100.0, strike, years, 0.05, 0.0, volatility, is_call)
    european = black_scholes.all_greeks(100.0, strike, years, 0.05, 0.0, volatility, is_call)
    assert filled.implied_volatility == pytest.approx(volatility, abs=2e-3)
    assert filled.greeks[0] == pytest.approx(expected.delta, abs=2e-3)
    in_the_money_put = 5
    assert abs(filled.greeks[0, in_the_money_put] - european.delta[in_the_money_put]) > 5e-3
