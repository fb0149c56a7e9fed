"""Readers' grouping is applied by stable keys, after the automatic one (rules 20 and 22)."""

from __future__ import annotations

import pytest

from tests.trades.strategies.journal import Journal
from trades.strategies.grouping import group_openings
from trades.strategies.opening import Opening
from trades.strategies.overrides import Override, apply_overrides


def grouped(overrides: dict[int, Override]) -> list[list[int]]:
    """Two strangles and a put of other sessions, regrouped: the openings' keys by trade."""
    journal = Journal()
    journal.order("o1", "-1 P90 2026-04-17", "-1 C110 2026-04-17")
    journal.order("o2", "-1 P85 2026-04-17", "-1 C115 2026-04-17", day=1)
    journal.order("o3", "-1 P80 2026-04-17", day=2)
    openings: list[Opening] = [
        opening for trade in journal.build().trades for opening in trade.group.openings
    ]
    groups = apply_overrides(group_openings(openings, []), overrides)
    return [[opening.key for opening in group.openings] for group in groups]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, [[1, 2], [3, 4], [5]]),
        ({3: Override(True, 1)}, [[1, 2, 3, 4], [5]]),
        ({4: Override(True, 2), 5: Override(True, 3)}, [[1, 2, 3, 4, 5]]),
        ({2: Override(False, 2)}, [[1], [2], [3, 4], [5]]),
        ({2: Override(False, 2), 4: Override(False, 2)}, [[1], [2, 4], [3], [5]]),
        ({2: Override(False, 5)}, [[1], [2, 5], [3, 4]]),
        ({2: Override(False, 99), 4: Override(False, 99)}, [[1], [2, 4], [3], [5]]),
        ({2: Override(False, 4), 4: Override(False, 2)}, [[1], [2, 4], [3], [5]]),
        ({2: Override(False, 2), 5: Override(True, 2)}, [[1], [2, 5], [3, 4]]),
    ],
)
def test_words_are_applied_to_the_grouping(
    overrides: dict[int, Override], expected: list[list[int]]
) -> None:
    assert grouped(overrides) == expected
