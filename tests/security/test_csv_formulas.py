"""No exported text is taken for a formula by a spreadsheet."""

from __future__ import annotations

import csv

import pytest

from config.core.web.csv_export import csv_lines

BLANKS = [
    *("", " ", "   ", "\t", "\u00a0", "\u2003", "\ufeff", "\u200b", "\r", "\n", " \ufeff ", '"'),
    *("\u00ad", "\u202e", "\u200e", "\u2063", "\ufe0f", "\u3164", "\u2800", "\x01", "\U000e0020"),
]


@pytest.mark.parametrize(
    "sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufe66"]
)
@pytest.mark.parametrize("blank", BLANKS)
def test_formula_behind_a_blank_is_quoted(blank: str, sign: str) -> None:
    text = f"{blank}{sign}1+1"
    [_, line] = csv_lines(["name"], [[text]])
    assert line.lstrip('"').startswith("'")


@pytest.mark.parametrize("value", ["AAPL", " AAPL", "A=1", "'", "", 1, -1.5, None])
def test_other_values_stay(value: object) -> None:
    [_, line] = csv_lines(["name"], [[value]])
    [row] = csv.reader([line])
    assert row == ([] if value in ("", None) and not row else ["" if value is None else str(value)])


@pytest.mark.parametrize("separator", [";", "\t", "\n", "\r\n"])
def test_formula_in_a_cell_of_another_separator_is_quoted(separator: str) -> None:
    """A German Excel separates by semicolons, and our quotes stand in the middle of its cells."""
    [_, line] = csv_lines(["name", "note"], [["AAPL", f"sold{separator} =1+1{separator}x, y"]])
    for cell in line.replace("\r", "\n").replace("\t", ";").replace("\n", ";").split(";"):
        assert not cell.lstrip().startswith("="), line
    [row] = csv.reader([line], strict=True) if "\n" not in separator else [[line]]
    assert "' =1+1" in row[-1]
