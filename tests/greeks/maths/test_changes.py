from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greeks.maths.changes import change_from_base, minute_change, velocity

NAN = math.nan
closes = st.lists(st.floats(-1e9, 1e9) | st.just(NAN), min_size=1, max_size=30)


@given(close=closes)
def test_a_change_needs_both_of_its_minutes(close: list[float]) -> None:
    changes = minute_change(close)

    assert len(changes) == len(close)
    assert math.isnan(changes[0])
    for before, now, change in zip(close, close[1:], changes[1:], strict=False):
        if math.isnan(before) or math.isnan(now):
            assert math.isnan(change)
        else:
            assert change == now - before


@given(close=closes)
def test_minutes_changes_add_up_to_the_change_from_the_base_where_no_gap_lies_between(
    close: list[float],
) -> None:
    since = change_from_base(close, close[0])
    if not np.isnan(close).any():
        assert np.nansum(minute_change(close)) == pytest.approx(since[-1], abs=1e-3)


def test_a_gap_is_no_jump() -> None:
    assert np.isnan(minute_change([1.0, NAN, 5.0, 6.0])[:3]).all()
    assert minute_change([1.0, NAN, 5.0, 6.0])[3] == 1.0


def test_change_from_a_base_that_is_missing_is_missing() -> None:
    assert np.isnan(change_from_base([1.0, 2.0], NAN)).all()


def test_changes_of_many_series_are_taken_at_once() -> None:
    close = np.arange(24.0).reshape(2, 3, 4) ** 2

    assert np.array_equal(minute_change(close)[1, 2], minute_change(close[1, 2]), equal_nan=True)
    base = close[..., 0]
    assert np.array_equal(change_from_base(close, base)[1, 2], close[1, 2] - close[1, 2, 0])


@pytest.mark.parametrize(
    ("close", "change", "second", "word"),
    [
        ([0.0, 1.0, 3.0], 2.0, 1.0, "accelerating"),
        ([0.0, -1.0, -3.0], -2.0, -1.0, "accelerating"),
        ([0.0, 2.0, 3.0], 1.0, -1.0, "slowing"),
        ([0.0, -2.0, -3.0], -1.0, 1.0, "slowing"),
        ([0.0, 2.0, 2.0], 0.0, -2.0, "slowing"),
        ([0.0, 0.0, 2.0], 2.0, 2.0, "accelerating"),
        ([0.0, 2.0, 1.0], -1.0, -3.0, "turning"),
        ([0.0, -2.0, -1.0], 1.0, 3.0, "turning"),
        ([0.0, 1.0, 2.0], 1.0, 0.0, "steady"),
        ([5.0, 5.0, 5.0], 0.0, 0.0, "steady"),
        ([9.0, 0.0, 1.0, 3.0], 2.0, 1.0, "accelerating"),
        ([1.0, 3.0], 2.0, None, None),
        ([NAN, 1.0, 3.0], 2.0, None, None),
        ([0.0, NAN, 3.0], None, None, None),
        ([0.0, 1.0, NAN], None, None, None),
        ([1.0], None, None, None),
        ([], None, None, None),
    ],
)
def test_velocity_says_how_the_last_minute_moved(
    close: list[float], change: float | None, second: float | None, word: str | None
) -> None:
    found = velocity(minute_change(close))

    assert (found.change, found.second_difference, found.word) == (change, second, word)


def test_rounding_is_no_acceleration() -> None:
    assert velocity(minute_change([0.0, 0.1, 0.1 + 0.1 * (1 + 1e-12)])).word == "steady"
