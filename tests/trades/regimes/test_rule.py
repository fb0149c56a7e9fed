"""Rule 26: the regime of a day, from closes up to that day."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from trades.regimes.rule import (
    INDICES,
    YEAR,
    one_year_percentiles,
    one_year_ranks,
    regime_days,
)
from trades.regimes.volatility_indices import volatility_index_of

FIRST = date(2024, 1, 1)


def closes(values: list[float]) -> dict[date, float]:
    return {FIRST + timedelta(days=number): value for number, value in enumerate(values)}


@pytest.mark.parametrize(
    ("level", "regime"),
    [(14.99, "calm"), (15.0, "normal"), (19.99, "normal"), (20.0, "elevated"), (30.0, "stressed")],
)
def test_rule_26_a_band_begins_at_its_level(level: float, regime: str) -> None:
    [day] = regime_days(INDICES["VIX"], {"VIX": closes([level])})
    assert day.regime == regime


def test_rule_26_india_vix_has_bands_of_its_own() -> None:
    days = regime_days(INDICES["INDIAVIX"], {"INDIAVIX": closes([12.0, 13.0, 18.0, 25.0])})
    assert [day.regime for day in days] == ["calm", "normal", "elevated", "stressed"]


def test_rule_26_ratios_use_the_same_day_and_are_missing_without_it() -> None:
    series = {"VIX": closes([22.0, 18.0]), "VIX3M": closes([20.0]), "VIX9D": closes([24.2])}
    first, second = regime_days(INDICES["VIX"], series)
    assert first.three_month_ratio == pytest.approx(1.1)
    assert first.nine_day_ratio == pytest.approx(1.1)
    assert second.three_month_ratio is None
    assert second.nine_day_ratio is None


def test_rule_26_percentile_needs_a_year_before_and_halves_ties() -> None:
    values = np.array([float(number) for number in range(YEAR)] + [125.5, 0.0])
    found = one_year_percentiles(values)
    assert np.isnan(found[:YEAR]).all()
    assert found[YEAR] == pytest.approx(126 / 252)
    # The window has moved on: the first zero has left it, nothing is lower.
    assert found[YEAR + 1] == 0.0
    assert one_year_percentiles(np.full(YEAR + 1, 17.0))[YEAR] == pytest.approx(0.5)


def test_rule_26_rank_lies_between_the_years_lowest_and_highest() -> None:
    values = np.array([10.0, 30.0, *([20.0] * (YEAR - 3)), 15.0])
    found = one_year_ranks(values)
    assert np.isnan(found[: YEAR - 1]).all()
    assert found[YEAR - 1] == pytest.approx(0.25)
    assert np.isnan(one_year_ranks(np.full(YEAR, 12.0))[-1])


def test_rule_26_a_day_does_not_depend_on_later_closes() -> None:
    random = np.random.default_rng(5)
    levels = (18 * np.exp(0.05 * random.standard_normal(600).cumsum() / 3)).tolist()
    prices = (4000 * np.exp(0.01 * random.standard_normal(600).cumsum())).tolist()
    whole = {"VIX": closes(levels), "SPX": closes(prices)}
    cut = {"VIX": closes(levels[:400]), "SPX": closes(prices[:400])}
    assert regime_days(INDICES["VIX"], whole)[:400] == regime_days(INDICES["VIX"], cut)
    last = regime_days(INDICES["VIX"], cut)[-1]
    assert last.percentile is not None
    assert last.realised_percentile is not None


def test_realised_volatility_is_that_of_twenty_returns() -> None:
    # Every day one percent up or down: each squared log return is nearly the same.
    up, down = 1.01, 1 / 1.01
    prices = [100.0]
    for number in range(20):
        prices.append(prices[-1] * (up if number % 2 else down))
    series = {"VIX": closes([20.0] * 21), "SPX": closes(prices)}
    days = regime_days(INDICES["VIX"], series)
    assert days[19].realised_volatility is None
    assert days[20].realised_volatility == pytest.approx(np.log(1.01) * np.sqrt(252))


@pytest.mark.parametrize(
    ("underlying", "index"),
    [
        ("SPY", "VIX"), ("/ES", "VIX"), ("/ESU4", "VIX"), ("./MESU24", "VIX"), ("QQQ", "VXN"),
        ("NIFTY", "INDIAVIX"), ("/CLZ5", "OVX"), ("KO", None), ("", None), ("/", None),
    ],
)  # fmt: skip
def test_volatility_index_of_an_underlying(underlying: str, index: str | None) -> None:
    assert volatility_index_of(underlying) == index
