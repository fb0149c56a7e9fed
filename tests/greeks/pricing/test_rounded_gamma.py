"""Gammas that a vendor rounded to four places, with the digits that its deltas tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from greeks.chains import OptionChain
from greeks.pricing.rounded_gamma import restore_gamma
from tests.greeks.scripted import OPENS, chain_at

HALF_A_STEP = 0.5e-4


def rounded(chain: OptionChain, **columns: Any) -> OptionChain:
    """Round as Upstox and Cboe do: four places, volatility too."""
    names = ("delta", "gamma", "theta", "vega", "implied_volatility")
    return replace(chain, **{name: np.round(getattr(chain, name), 4) for name in names} | columns)


def test_gamma_of_an_index_gets_its_digits_back() -> None:
    exact = chain_at(OPENS, without_greeks=4)
    sent = rounded(exact)
    restored = restore_gamma(sent)
    known = np.isfinite(exact.gamma)
    assert np.array_equal(np.isfinite(restored.gamma), known)
    off = np.abs(restored.gamma - exact.gamma)[known]
    assert off.max() < 0.2 * HALF_A_STEP
    assert np.abs(restored.gamma - sent.gamma)[known].max() <= HALF_A_STEP * (1 + 1e-9)
    assert restored.delta is sent.delta


def test_sum_over_the_chain_moves_with_the_market_and_not_in_stairs() -> None:
    """At a rounding's stairs the sum would stand still for seconds and then jump."""
    moments = [OPENS + timedelta(seconds=5 * step) for step in range(60)]
    exact = np.array([chain_at(at).gamma.sum() for at in moments])
    sent = np.array([rounded(chain_at(at)).gamma.sum() for at in moments])
    restored = np.array([restore_gamma(rounded(chain_at(at))).gamma.sum() for at in moments])
    noise, stairs = np.diff(restored - exact).std(), np.diff(sent - exact).std()
    assert noise < 0.25 * stairs


def test_convention_of_time_is_the_vendors_own() -> None:
    """Half a day more or less until expiry: deltas tell which."""
    for shift in (-0.5, 0.5):
        exact = chain_at(OPENS - timedelta(days=shift))
        assert restore_gamma(rounded(exact)).gamma == pytest.approx(
            exact.gamma, abs=0.2 * HALF_A_STEP
        )


@pytest.mark.parametrize(
    "chain",
    [
        pytest.param(chain_at(OPENS), id="not rounded"),
        pytest.param(rounded(chain_at(OPENS, strikes=2)), id="too few deltas"),
        pytest.param(rounded(chain_at(OPENS), spot=None), id="no spot"),
        pytest.param(rounded(chain_at(OPENS, without_greeks=80)), id="no Greeks"),
        pytest.param(
            rounded(chain_at(OPENS), implied_volatility=np.zeros(80)), id="no volatilities"
        ),
        pytest.param(rounded(chain_at(OPENS), delta=np.full(80, 0.5)), id="deltas that tell none"),
    ],
)
def test_what_cannot_be_told_stays_as_it_was_sent(chain: OptionChain) -> None:
    assert np.array_equal(restore_gamma(chain).gamma, chain.gamma, equal_nan=True)


def test_contradicting_deltas_move_no_gamma_further_than_rounding_did() -> None:
    exact = chain_at(OPENS)
    sent = rounded(exact, delta=np.round(exact.delta[::-1], 4))
    assert np.abs(restore_gamma(sent).gamma - sent.gamma).max() <= HALF_A_STEP * (1 + 1e-9)
