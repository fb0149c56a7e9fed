"""Rows of a large file, packed in parts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from config.core.rows import packed
from config.core.rows.packed import PackedRows


def test_rows_come_back_in_their_order_and_share_what_they_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packed, "ROWS_A_PART", 3)
    contract = {"strike": Decimal("1E+2")}
    rows = [(number, contract, datetime(2026, 1, 5, tzinfo=UTC)) for number in range(7)]
    found = PackedRows(rows)
    assert (len(found), list(found), list(found)) == (7, rows, rows)
    assert [len(part) for part in found.parts()] == [3, 3, 1]
    for part in found.parts():
        assert len({id(row[1]) for row in part}) == 1


def test_large_file_is_held_in_a_fraction_of_its_size() -> None:
    """What rows say differs little from one to the next; none of it is left out."""
    rows = (
        {"symbol": f"XYZ   260116P{n:08d}", "note": f"Sold {n} @ 1.25" * 4} for n in range(5_001)
    )
    found = PackedRows(rows)
    assert sum(map(len, found._packed)) < 5_000 * 60
    assert [row["note"] for row in found][4_999:] == [
        f"Sold {n} @ 1.25" * 4 for n in (4_999, 5_000)
    ]


def test_no_rows_are_no_part() -> None:
    assert list(PackedRows[int]().parts()) == []
