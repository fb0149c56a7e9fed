"""The noise under the prices: the same everywhere, and as lively as Brownian motion."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from greeks.sandbox.noise import (
    SECONDS_A_YEAR,
    factor_paths,
    normal_hash,
    one_uniform_hash,
    uniform_hash,
)

START = 1.79e9


def test_path_is_the_same_in_another_process() -> None:
    program = (
        "from greeks.sandbox.noise import factor_paths;"
        f"print(factor_paths(7, [0, 3], [{START}, {START} + 1.5]).tolist())"
    )
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == str(factor_paths(7, [0, 3], [START, START + 1.5]).tolist())


def test_path_does_not_depend_on_what_else_is_asked() -> None:
    times = START + np.arange(10_000) * 7.0
    together = factor_paths(7, [0, 1, 2], times)
    alone = factor_paths(7, 1, times[9_000])
    assert together[1, 9_000] == alone[0, 0]


def test_seeds_and_factors_give_unrelated_paths() -> None:
    times = START + np.arange(3_000) * 86_400.0 * 5
    moves = np.diff(np.vstack([factor_paths(1, [0, 1], times), factor_paths(2, 0, times)]))
    correlation = np.atleast_2d(np.corrcoef(moves))
    assert np.abs(correlation[np.triu_indices(3, 1)]).max() < 0.08


@pytest.mark.parametrize("seconds", [3_600.0, 86_400.0, 5 * 86_400.0, 20 * 86_400.0])
def test_changes_have_the_variance_of_unit_annual_volatility(seconds: float) -> None:
    times = START + np.arange(4_000) * seconds * 1.37
    moves = factor_paths(3, [0, 1], times + seconds) - factor_paths(3, [0, 1], times)
    volatility = np.sqrt((moves**2).mean() * SECONDS_A_YEAR / seconds)
    assert volatility == pytest.approx(1.0, abs=0.12)


def test_path_moves_every_few_seconds_and_never_runs_away() -> None:
    close = factor_paths(3, 0, START + np.arange(0.0, 3_600.0, 3.0))[0]
    assert (np.diff(close) != 0.0).all()
    years = factor_paths(3, np.arange(20), START + np.arange(0.0, 20 * SECONDS_A_YEAR, 1e6))
    assert np.abs(years).max() < 1.6


def test_hash_is_standard_normal() -> None:
    sample = normal_hash(5, np.arange(200_000))
    assert sample.mean() == pytest.approx(0.0, abs=0.01)
    assert sample.std() == pytest.approx(1.0, abs=0.01)
    assert (sample**4).mean() == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("keys", [(7,), (7, 0, 3), (1, -5, 2**40, 9), (-1, 2**62, -(2**62))])
def test_one_number_is_that_of_the_arrays(keys: tuple[int, ...]) -> None:
    assert one_uniform_hash(*keys) == uniform_hash(*keys)[0]
