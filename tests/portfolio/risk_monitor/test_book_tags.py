"""How the positions of a body are laid out for the page's table."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from portfolio.templatetags.book import (
    blank_position,
    position_groups,
    shown_position,
    sort_key,
)
from portfolio.templatetags.position_row import position_row


def position(**changes: Any) -> dict[str, Any]:
    return (
        blank_position()
        | {
            "id": "1",
            "account_id": "DU1000001",
            "symbol": "AAPL  251219C00230000",
            "instrument_type": "option",
            "underlying": "AAPL",
            "group": "AAPL",
            "expiry": date(2025, 12, 19),
            "strike": Decimal(230),
            "right": "C",
            "dte": 29,
            "quantity": Decimal(-5),
            "multiplier": Decimal(100),
            "deliverable": Decimal(100),
            "exercise_style": "american",
            "currency": "USD",
            "price": Decimal("5.2"),
            "price_as_of": datetime(2025, 11, 20, 15, tzinfo=UTC),
            "delta": 0.5213,
            "gamma": 0.0142,
            "theta": -0.21,
            "vega": 0.33,
            "greeks_source": "ibkr",
        }
        | changes
    )


def body(*positions: dict[str, Any], by_underlying: Any = ()) -> dict[str, Any]:
    return {"positions": list(positions), "totals": {"by_underlying": list(by_underlying)}}


def test_leg_greeks_are_signed_and_multiplied() -> None:
    row = shown_position(position())
    assert row["leg_delta"] == pytest.approx(-260.65)
    assert row["leg_gamma"] == pytest.approx(-7.1)
    assert row["leg_theta"] == pytest.approx(105.0)
    assert row["leg_vega"] == pytest.approx(-165.0)


@pytest.mark.parametrize("field", ["delta", "quantity", "deliverable"])
def test_a_missing_factor_leaves_the_leg_greek_missing(field: str) -> None:
    assert shown_position(position(**{field: None}))["leg_delta"] is None


def test_shares_show_their_delta_only() -> None:
    share = position(right=None, strike=None, delta=1.0, gamma=0.0, theta=0.0, vega=0.0)
    row = shown_position(share)
    assert (row["delta"], row["leg_delta"]) == (1.0, -500.0)
    assert {row[name] for name in ("gamma", "theta", "vega", "leg_gamma", "leg_vega")} == {None}
    assert "0.00" not in position_row(row)


def test_only_the_quote_far_behind_the_newest_is_marked_old() -> None:
    at = datetime(2025, 11, 20, 15, tzinfo=UTC)
    late = position(id="2", price_as_of=at - timedelta(minutes=6))
    (group,) = position_groups(body(position(price_as_of=at), late))
    marked = {row["id"]: " data-old" in position_row(row) for row in group["rows"]}
    assert marked == {"1": False, "2": True}


@pytest.mark.parametrize(
    ("shares", "cash", "note", "delta"),
    [
        (Decimal(100), None, "", pytest.approx(-260.65)),
        (Decimal(20), Decimal(0), "delivers 20", pytest.approx(-52.13)),
        (Decimal(20), Decimal("13.5"), "delivers 20 + 13.50 USD", pytest.approx(-52.13)),
        (None, None, "deliverable unknown", None),
    ],
)
def test_adjusted_option_says_what_it_delivers(
    shares: Decimal | None, cash: Decimal | None, note: str, delta: Any
) -> None:
    row = shown_position(position(deliverable=shares, deliverable_cash=cash))
    assert (row["note"], row["leg_delta"]) == (note, delta)
    assert f'<small data-field="note">{note}</small>' in position_row(row)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"exercise_style": None}, "exercise style unknown, priced as American"),
        ({"exercise_style": None, "instrument_type": "future_option"}, ""),
        # IBKR names no month of the future.
        (
            {"instrument_type": "future_option", "future_expiry": date(2026, 3, 20)},
            "future 20 Mar 26",
        ),
        ({"exercise_style": None, "instrument_type": "stock", "right": None}, ""),
        (
            {"exercise_style": None, "deliverable": None},
            "deliverable unknown; exercise style unknown, priced as American",
        ),
    ],
)
def test_option_of_unknown_exercise_style_says_so(changes: dict[str, Any], note: str) -> None:
    assert shown_position(position(**changes))["note"] == note


def test_groups_follow_the_underlying_with_shares_first() -> None:
    share = position(
        id="2", symbol="AAPL", instrument_type="stock", expiry=None, strike=None, right=None
    )
    later = position(id="3", expiry=date(2026, 1, 16))
    other = position(id="4", underlying="SPY", group="SPY")
    groups = position_groups(body(later, other, position(), share))
    assert [group["underlying"] for group in groups] == ["AAPL", "SPY"]
    assert [row["id"] for row in groups[0]["rows"]] == ["2", "1", "3"]


def test_a_group_without_subtotals_shows_them_as_missing() -> None:
    groups = position_groups(body(position()))
    assert set(groups[0]["subtotals"].values()) == {None}


def test_a_group_takes_the_subtotals_of_its_underlying() -> None:
    sums = [{"underlying": "AAPL", "delta": 12.0}, {"underlying": "SPY", "delta": 1.0}]
    groups = position_groups(body(position(), by_underlying=sums))
    assert groups[0]["subtotals"]["delta"] == 12.0


@pytest.mark.parametrize(
    ("changes", "contract", "key"),
    [
        ({}, "AAPL 230 C", "2025-12-19|230|C"),
        ({"strike": Decimal("6052.5")}, "AAPL 6,052.5 C", "2025-12-19|6052.5|C"),
        ({"right": None, "strike": None, "expiry": None, "symbol": "AAPL"}, "AAPL", "||"),
        ({"right": None, "strike": None, "symbol": "MES 20270319"}, "MES", "2025-12-19||"),
        ({"right": None, "symbol": "FF 20261218 3.125 yes"}, "FF 3.125 yes", "2025-12-19|230|"),
    ],
)
def test_contracts_are_named_and_sorted_by_expiry_strike_and_right(
    changes: dict[str, Any], contract: str, key: str
) -> None:
    row = position(**changes)
    assert shown_position(row)["contract"] == contract
    assert sort_key(row) == key


def test_a_symbol_cannot_write_markup() -> None:
    hostile = '<img src=x onerror="alert(1)">'
    row = shown_position(
        position(
            symbol=hostile,
            underlying=hostile,
            account_id=hostile,
            currency=hostile,
            greeks_source=hostile,
            instrument_type=hostile,
            id=hostile,
        )
    )
    for expiry in (row["expiry"], None):
        html = position_row(row | {"expiry": expiry})
        assert "<img" not in html
        assert "&lt;img" in html
