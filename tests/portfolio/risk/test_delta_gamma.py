"""Quantiles of delta-gamma against closed forms and a million draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import chdtrc, chdtri, ndtr, ndtri

from portfolio.exposure.columns import FloatArray
from portfolio.risk.delta_gamma import CONFIDENCES, quadratic_quantiles

DRAWS = 1_000_000


def figures(delta: FloatArray, quadratic: FloatArray, covariance: FloatArray) -> FloatArray:
    """Return VaR and ES at 95 %, then at 99 %."""
    rows = quadratic_quantiles(delta, quadratic, covariance)
    assert rows is not None
    return np.array([row[name] for row in rows for name in ("var", "expected_shortfall")])


def simulated(losses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the same figures of a sample, and the standard error of each."""
    kept = round(0.052 * DRAWS)
    worst = np.sort(np.partition(losses, DRAWS - kept)[-kept:])[::-1].astype(np.float64)
    found, errors = [], []
    for confidence in CONFIDENCES:
        count = round((1.0 - confidence) * DRAWS)
        spread = round(np.sqrt(count * confidence))
        var, beyond = worst[count], worst[:count]
        found += [var, beyond.mean()]
        errors += [
            0.5 * (worst[count - spread] - worst[count + spread]),
            np.sqrt((beyond.var() + confidence * (beyond.mean() - var) ** 2) / count),
        ]
    return np.maximum(found, 0.0), np.array(errors)


def test_linear_book_is_the_normal_quantile_of_its_dollar_delta() -> None:
    rows = quadratic_quantiles(np.array([1e6]), np.array([0.0]), np.array([[0.01**2]]))
    assert rows is not None
    assert [row["confidence"] for row in rows] == [0.95, 0.99]
    assert rows[1]["var"] == pytest.approx(1e6 * 0.01 * 2.3263479, rel=1e-6)
    assert rows[1]["expected_shortfall"] == pytest.approx(
        1e6 * 0.01 * np.exp(-(2.3263479**2) / 2) / np.sqrt(2 * np.pi) / 0.01, rel=1e-6
    )


def test_two_positions_of_hulls_example() -> None:
    """Hull, ch. 22.3: $10m of Microsoft (2 % a day), $5m of AT&T (1 %), correlation 0.3."""
    covariance = np.array([[0.02**2, 0.3 * 0.02 * 0.01], [0.3 * 0.02 * 0.01, 0.01**2]])
    rows = quadratic_quantiles(np.array([10e6, 5e6]), np.zeros(2), covariance)
    assert rows is not None
    assert rows[1]["var"] == pytest.approx(2.33 * 220_227, rel=2e-3)


def test_120_random_books_agree_with_a_million_draws() -> None:
    random = np.random.default_rng(20261129)
    normals = random.standard_normal((5, DRAWS), dtype=np.float32)
    squares = normals * normals
    for book in range(120):
        size = int(random.integers(1, 6))
        scale = random.choice([1e4, 1e6, 1e8])
        # A factor's loss is az + λz²; the covariance puts the book back together from them.
        turn = np.linalg.qr(random.normal(size=(size, size)))[0]
        root = turn * random.uniform(0.005, 0.04, size)
        delta = scale * random.normal(size=size) * random.choice([0.0, 0.03, 1.0])
        bent = random.normal(size=size) * random.choice([0.0, 1.0, 30.0])
        quadratic = scale * (bent if book % 4 else np.abs(bent))
        bends, axes = np.linalg.eigh(-(root.T * quadratic) @ root)
        slopes = -delta @ root @ axes
        losses = slopes.astype(np.float32) @ normals[:size]
        losses += bends.astype(np.float32) @ squares[:size]
        expected, error = simulated(losses)
        found = figures(delta, quadratic, root @ root.T)
        assert np.all(np.abs(found - expected) <= 4.5 * error + 2e-3 * expected), book
        assert found[0] <= found[2]
        assert found[1] <= found[3]
        assert found[0] <= found[1]
        assert found[2] <= found[3]


@pytest.mark.parametrize("gamma", [1e-3, 1.0, 1e7])
@pytest.mark.parametrize("size", [1, 3])
def test_long_gamma_without_delta_loses_nothing(gamma: float, size: int) -> None:
    covariance = 1e-4 * (0.5 + 0.5 * np.eye(size))
    assert not figures(np.zeros(size), np.full(size, gamma), covariance).any()


def test_short_gamma_without_delta_loses_a_chi_square() -> None:
    losses = 100.0 * chdtri(1, 1.0 - np.array(CONFIDENCES))
    found = figures(np.zeros(1), np.array([-1e6]), np.array([[1e-4]]))
    assert found[[0, 2]] == pytest.approx(losses, rel=1e-4)
    beyond = 100.0 * chdtrc(3, losses / 100.0) / (1.0 - np.array(CONFIDENCES))
    assert found[[1, 3]] == pytest.approx(beyond, rel=1e-4)


def test_equal_short_gammas_lose_a_chi_square_of_more_degrees() -> None:
    found = figures(np.zeros(4), np.full(4, -1e6), 1e-4 * np.eye(4))
    assert found[[0, 2]] == pytest.approx(100.0 * chdtri(4, 1.0 - np.array(CONFIDENCES)), rel=1e-3)


@pytest.mark.parametrize("bend", [-200.0, -1.0, -1e-3, 1e-3, 1.0, 200.0])
def test_one_underlying_is_solved_in_closed_form(bend: float) -> None:
    """The loss 300z − bend·z² exceeds x between, or outside of, the roots of a parabola."""

    def exceeding(x: float) -> float:
        root = np.sqrt(max(0.0, 9e4 - 4.0 * bend * x))
        low, high = sorted([(300.0 - root) / (2.0 * bend), (300.0 + root) / (2.0 * bend)])
        inside = float(ndtr(high) - ndtr(low))
        return inside if bend > 0 else 1.0 - inside

    found = figures(np.array([-3e4]), np.array([bend * 1e4]), np.array([[1e-4]]))
    for confidence, var in zip(CONFIDENCES, found[[0, 2]], strict=True):
        tail = 1.0 - confidence
        assert exceeding(var * (1.0 + 2e-4)) <= tail
        assert var == 0.0 or exceeding(var * (1.0 - 2e-4)) >= tail


@pytest.mark.parametrize("bend", [1.0, -1.0])
def test_one_large_underlying_and_hundreds_of_hedged_ones(bend: float) -> None:
    """The loss is 1000z, and a chi-square that each of 300 small gammas adds a little to."""
    count, variance = 300, 1e-4
    delta = np.append(-1000.0 / np.sqrt(variance), np.zeros(count))
    quadratic = np.append(0.0, np.full(count, -bend / variance))
    found = figures(delta, quadratic, variance * np.eye(count + 1))
    chi_squares = np.arange(1.0, 2.0 * count + 1.0)
    chances = -np.diff(chdtrc(count, np.arange(0.5, 2.0 * count + 1.0)))
    for confidence, var in zip(CONFIDENCES, found[[0, 2]], strict=True):
        exceeding = float(chances @ ndtr((bend * chi_squares - var) / 1000.0))
        assert exceeding == pytest.approx(1.0 - confidence, rel=5e-3)


def test_hedged_book_of_thirty_underlyings_agrees_with_its_normal_limit() -> None:
    found = figures(np.full(30, 1e5), np.full(30, 1.0), 1e-4 * np.eye(30))
    assert found[2] == pytest.approx(1e3 * np.sqrt(30) * ndtri(0.99), rel=1e-4)


def test_empty_book_loses_nothing() -> None:
    assert not figures(np.zeros(2), np.zeros(2), 1e-4 * np.eye(2)).any()


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("place", range(3))
def test_missing_number_gives_no_figure_never_nought(wrong: float, place: int) -> None:
    numbers = [np.array([1e6, 1.0]), np.array([0.0, 5.0]), np.eye(2) * 1e-4]
    numbers[place] = np.where(np.arange(2) == 1, wrong, numbers[place])
    assert quadratic_quantiles(*numbers) is None
