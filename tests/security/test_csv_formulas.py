"""No exported text is taken for a formula by a spreadsheet."""

from __future__ import annotations

import csv

import pytest

from config.core.web.csv_export import csv_lines

BLANKS = ["", " ", "   ", "\t", "\u00a0", "\u2003", "\ufeff", "\u200b", "\r", "\n", " \ufeff ", '"']


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
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
