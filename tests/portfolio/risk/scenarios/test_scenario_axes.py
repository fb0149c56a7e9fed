from __future__ import annotations

import pytest

from config.core.errors import InvalidInput
from portfolio.risk.scenarios.axes import DEFAULT_AXES, parse_axes, parse_cell
from portfolio.risk.scenarios.grid import check_size


def test_lists_and_ranges_are_read_ascending_and_once() -> None:
    axes = parse_axes(spot="10,-10, 0,10", vol="-10:10:5", days="30,0,7")
    assert axes.spot == (-10.0, 0.0, 10.0)
    assert axes.vol == (-10.0, -5.0, 0.0, 5.0, 10.0)
    assert axes.days == (0, 7, 30)
    assert axes.cells == 45


def test_what_is_not_said_is_the_default() -> None:
    assert parse_axes(spot=None, vol=None, days=None) == DEFAULT_AXES


def test_range_ends_where_its_steps_end() -> None:
    assert parse_axes(spot="-1:1:0.3", vol=None, days=None).spot[-1] == 0.8


@pytest.mark.parametrize(
    ("axis", "text"),
    [
        ("spot", "nan"), ("spot", "1e5"), ("spot", "-96"), ("spot", "501"), ("spot", ""),
        ("spot", "1,,2"), ("spot", "1:2"), ("spot", "5:1:1"), ("spot", "1:5:0"),
        ("spot", "-95:500:0.0001"), ("spot", ",".join(map(str, range(42)))),
        ("vol", "-301"), ("vol", "0:22:1"), ("days", "1.5"), ("days", "-1"), ("days", "3651"),
        ("days", "0:13:1"), ("spot", "１０"), ("spot", "9" * 700),
    ],
)  # fmt: skip
def test_impossible_axis_is_refused_by_name(axis: str, text: str) -> None:
    texts = {"spot": None, "vol": None, "days": None} | {axis: text}
    with pytest.raises(InvalidInput) as caught:
        parse_axes(**texts)
    assert list(caught.value.fields) == [axis]


def test_cell_is_read_and_checked() -> None:
    assert parse_cell("-7.5,3,14") == (-7.5, 3.0, 14)
    for text in ("1,2", "1,2,3,4", "1,2,3.5", "x,0,0", "600,0,0"):
        with pytest.raises(InvalidInput) as caught:
            parse_cell(text)
        assert list(caught.value.fields) == ["cell"]


def test_largest_grid_is_refused_for_a_book_that_is_too_large() -> None:
    axes = parse_axes(spot="-20:20:1", vol="-10:10:1", days="0:12:1")
    check_size(axes, 200)
    with pytest.raises(InvalidInput, match="2000 legs"):
        check_size(axes, 2000)
