"""The logic of a threshold: one firing a crossing, none at a gap, none within the cooldown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greeks.alerts.crossing import Firing, Threshold, Watch, firings

START = datetime(2026, 11, 27, 3, 45, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
COMPARISONS = ("above", "below", "crosses")
GAP = float("nan")


def fired_at(threshold: Threshold, values: Sequence[float]) -> list[int]:
    """Return the indices of the minutes in which the threshold fires."""
    series = [(START + index * MINUTE, value) for index, value in enumerate(values)]
    steps = firings(threshold, Watch(), series)
    return [index for index, step in enumerate(steps) if isinstance(step, Firing)]


@pytest.mark.parametrize(
    ("comparison", "values", "expected"),
    [
        ("above", [9, 11, 12, 9, 11], [1, 4]),
        ("above", [11, 12], [0]),
        ("above", [9, 10, 10], []),
        ("below", [11, 9, 8, 11, 9], [1, 4]),
        ("below", [9], [0]),
        ("crosses", [11, 12], []),
        ("crosses", [11, 9, 11], [1, 2]),
        ("crosses", [9, 10, 11], [2]),
        ("crosses", [9, 10, 9], []),
        ("crosses", [10, 11, 9], [2]),
        ("above", [9, GAP, 11, GAP, 11], [2]),
    ],
)
def test_threshold_fires_when_the_number_comes_to_the_other_side(
    comparison: str, values: list[float], expected: list[int]
) -> None:
    assert fired_at(Threshold(comparison=comparison, level=10.0), values) == expected


def test_number_that_dances_within_the_band_fires_once() -> None:
    dancing = [9.0, 10.1, 9.9, 10.1, 9.9, 10.1]
    assert fired_at(Threshold(comparison="above", level=10.0), dancing) == [1, 3, 5]
    assert fired_at(Threshold(comparison="above", level=10.0, band=1.0), dancing) == [1]
    assert fired_at(Threshold(comparison="above", level=10.0, band=1.0), [11, 9.0, 11]) == [0, 2]


def test_crossing_within_the_cooldown_fires_when_it_still_stands_afterwards() -> None:
    threshold = Threshold(comparison="above", level=10.0, cooldown=5 * MINUTE)
    assert fired_at(threshold, [11, 9, 11, 11, 11, 11, 11]) == [0, 5]
    assert fired_at(threshold, [11, 9, 11, 9, 9, 9, 9]) == [0]


VALUES = st.lists(
    st.one_of(st.just(GAP), st.integers(min_value=-5, max_value=5).map(float)), max_size=40
)


@given(values=VALUES, comparison=st.sampled_from(COMPARISONS))
def test_each_crossing_fires_exactly_once(values: list[float], comparison: str) -> None:
    """Counted independently: a walk over the values that are there, side by side."""
    sides = []
    for index, value in enumerate(values):
        if value == value and (comparison != "crosses" or value != 0):
            is_beyond = value < 0 if comparison == "below" else value > 0
            sides.append((index, is_beyond))
    expected = []
    before = None if comparison == "crosses" else False
    for index, side in sides:
        changed = before is not None and side != before
        if changed and (side or comparison == "crosses"):
            expected.append(index)
        before = side
    assert fired_at(Threshold(comparison=comparison, level=0.0), values) == expected


@given(
    values=VALUES,
    comparison=st.sampled_from(COMPARISONS),
    band=st.floats(min_value=0, max_value=3),
    cooldown=st.integers(min_value=0, max_value=10),
)
def test_gaps_never_fire_and_change_nothing(
    values: list[float], comparison: str, band: float, cooldown: int
) -> None:
    threshold = Threshold(comparison=comparison, level=0.5, band=band, cooldown=cooldown * MINUTE)
    fired = fired_at(threshold, values)
    assert all(values[index] == values[index] for index in fired)
    assert all(later - earlier >= cooldown for earlier, later in pairwise(fired))
    series = [(START + index * MINUTE, value) for index, value in enumerate(values)]
    without_gaps = [(at, value) for at, value in series if value == value]
    again = [
        step.minute
        for step in firings(threshold, Watch(), without_gaps)
        if isinstance(step, Firing)
    ]
    assert again == [START + index * MINUTE for index in fired]


@given(values=VALUES, comparison=st.sampled_from(COMPARISONS), band=st.floats(0, 2))
def test_wider_band_fires_no_more_often(values: list[float], comparison: str, band: float) -> None:
    narrow = fired_at(Threshold(comparison=comparison, level=0.5), values)
    wide = fired_at(Threshold(comparison=comparison, level=0.5, band=band), values)
    assert len(wide) <= len(narrow)
