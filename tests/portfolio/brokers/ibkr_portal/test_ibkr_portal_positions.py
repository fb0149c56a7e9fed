"""Positions of the portal: their terms, and what is rejected; never a shorter book."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import pytest

from config.core.errors import MalformedResponse, PermanentError, RetryableError
from greeks.domain import InstrumentKind
from tests.portfolio.brokers.ibkr_portal.ibkr_portal_support import (
    ACCOUNT,
    OPTION,
    UNSET,
    option_row,
    positions_answering,
    stock_row,
    without,
)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"position": float("nan")}, "position"),
        ({"position": float("inf")}, "position"),
        ({"position": UNSET}, "position"),
        ({"position": None}, "position"),
        ({"position": "many"}, "position"),
        ({"position": 1e15}, "position"),
        ({"position": True}, "position"),
        ({"conid": None}, "conid"),
        ({"conid": 0}, "conid"),
        ({"conid": -5}, "conid"),
        ({"conid": "7" * 100}, "conid"),
        ({"conid": "12\x0034"}, "conid"),
        ({"conid": {"id": 1}}, "conid"),
        ({"contractDesc": "SP\x00Y"}, "contractDesc"),
        ({"ticker": "S" * 100}, "ticker"),
        ({"assetClass": "BOND"}, "BOND"),
        ({"assetClass": None}, "assetClass"),
        ({"currency": None}, "currency"),
        ({"currency": "DOLLARS-AND-CENTS"}, "currency"),
        ({"avgCost": [], "avgPrice": None}, "avgCost"),
        ({"mktPrice": {"amount": 1}}, "mktPrice"),
        ({"model": "m" * 65}, "model"),
        ({"acctId": "U7654321"}, "acctId"),
    ],
)
def test_bad_position_is_rejected_by_name_and_the_good_ones_stay(
    changes: dict[str, Any], named: str
) -> None:
    bad = stock_row(**{"conid": 111} | changes)
    fetched = positions_answering([stock_row(), bad, option_row()]).fetch_positions(ACCOUNT)
    assert [position.contract.underlying for position in fetched.items] == ["SPY", "SPY"]
    (rejected,) = fetched.rejected
    assert rejected.kind == "position"
    assert named in rejected.reason
    json.dumps(rejected.payload, allow_nan=False)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"strike": "0"}, "strike"),
        ({"strike": "-600"}, "strike"),
        ({"strike": "600.12345"}, "strike"),
        ({"putOrCall": "X"}, "putOrCall"),
        ({"putOrCall": None}, "putOrCall"),
        ({"expiry": "20270230"}, "expiry"),
        ({"expiry": None}, "expiry"),
        ({"multiplier": None}, "multiplier"),
        ({"multiplier": 0.0}, "multiplier"),
        ({"multiplier": -100.0}, "multiplier"),
        ({"multiplier": float("nan")}, "multiplier"),
    ],
)
def test_option_without_a_term_is_rejected_not_guessed(changes: dict[str, Any], named: str) -> None:
    row = option_row(**{"contractDesc": "SPY JAN2027 600 C"} | changes)
    fetched = positions_answering([row]).fetch_positions(ACCOUNT)
    assert fetched.items == ()
    assert named in fetched.rejected[0].reason


def test_option_terms_come_from_the_row() -> None:
    (position,) = positions_answering([option_row()]).fetch_positions(ACCOUNT).items
    assert position.contract == OPTION
    assert (position.quantity, position.average_price) == (Decimal("-5"), Decimal("68.5"))


def test_cost_that_includes_the_multiplier_is_divided_where_it_is_alone() -> None:
    row = without(option_row(), "avgPrice")
    (position,) = positions_answering([row]).fetch_positions(ACCOUNT).items
    assert position.average_price == Decimal("68.5")


def test_missing_terms_come_from_the_definition() -> None:
    definition = {
        "conid": 653556783,
        "currency": "USD",
        "assetClass": "OPT",
        "expiry": "20270115",
        "putOrCall": "C",
        "strike": "600",
        "ticker": "SPY",
        "multiplier": 100.0,
        "fullName": "SPY    JAN2027 600 C [SPY   270115C00600000 100]",
    }
    row = option_row(contractDesc="SPY", expiry=None, putOrCall=None, multiplier=None, strike=0.0)
    bridge = positions_answering([row], **{"/trsrv/secdef": {"secdef": [definition, "noise"]}})
    assert bridge.fetch_positions(ACCOUNT).items[0].contract == OPTION


def test_bracket_of_the_description_is_the_last_resort() -> None:
    row = option_row(expiry=None, putOrCall=None, multiplier=None, strike=0.0)
    (position,) = positions_answering([row]).fetch_positions(ACCOUNT).items
    assert position.contract == OPTION


def test_weekly_root_differs_from_the_underlying() -> None:
    row = option_row(
        contractDesc="SPX    JAN2027 6000 P [SPXW  270115P06000000 100]",
        strike="6000",
        putOrCall="P",
    )
    contract = positions_answering([row]).fetch_positions(ACCOUNT).items[0].contract
    assert (contract.underlying, contract.root) == ("SPX", "SPXW")
    assert contract.symbol == "SPXW  270115P06000000"


def test_share_class_is_written_with_a_slash() -> None:
    row = stock_row(contractDesc="BRK B", ticker="BRK B")
    contract = positions_answering([row]).fetch_positions(ACCOUNT).items[0].contract
    assert (contract.symbol, contract.underlying) == ("BRK/B", "BRK/B")


def test_future_keeps_expiry_and_multiplier() -> None:
    row = stock_row(assetClass="FUT", ticker="ES", expiry="20270319", multiplier=50.0)
    contract = positions_answering([row]).fetch_positions(ACCOUNT).items[0].contract
    assert contract.kind is InstrumentKind.FUTURE
    assert (contract.expiry, contract.multiplier, contract.strike) == (
        date(2027, 3, 19),
        Decimal(50),
        None,
    )


def test_missing_optional_amounts_are_none_never_zero() -> None:
    row = stock_row(mktPrice=float("nan"), mktValue=UNSET, unrealizedPnl=None, avgPrice="")
    row["avgCost"] = "NaN"
    (position,) = positions_answering([row]).fetch_positions(ACCOUNT).items
    assert (position.price, position.market_value) == (None, None)
    assert (position.unrealized_pnl, position.average_price) == (None, None)


def test_holding_that_was_closed_today_is_no_position() -> None:
    fetched = positions_answering([stock_row(position=0.0), option_row()]).fetch_positions(ACCOUNT)
    assert [item.contract.symbol for item in fetched.items] == ["SPY   270115C00600000"]
    assert fetched.rejected == ()


def test_contract_sent_twice_is_rejected_once_and_models_are_kept_apart() -> None:
    rows = [stock_row(), stock_row(position=1.0), stock_row(model="Growth")]
    fetched = positions_answering(rows).fetch_positions(ACCOUNT)
    assert [(item.sub_key, item.quantity) for item in fetched.items] == [
        ("", Decimal(44)),
        ("Growth", Decimal(44)),
    ]
    assert "twice" in fetched.rejected[0].reason


@pytest.mark.parametrize(
    "page", [None, {}, "half", httpx.Response(500), httpx.Response(404, json={"error": "gone"})]
)
def test_missing_page_fails_the_whole_book(page: Any) -> None:
    rows = [stock_row(conid=number) for number in range(1, 101)]
    answers = {f"/portfolio/{ACCOUNT}/positions/1": page}
    with pytest.raises((MalformedResponse, RetryableError, PermanentError)):
        positions_answering(rows, **answers).fetch_positions(ACCOUNT)


def test_gateway_that_repeats_a_page_for_ever_is_malformed() -> None:
    rows = [stock_row(conid=number) for number in range(1, 101)]
    answers = {f"/portfolio/{ACCOUNT}/positions/1": rows}
    with pytest.raises(MalformedResponse, match="repeats"):
        positions_answering(rows, **answers).fetch_positions(ACCOUNT)


def test_pages_are_read_until_an_empty_one() -> None:
    first, second = (
        [stock_row(conid=number) for number in range(start, start + size)]
        for start, size in ((1, 100), (101, 7))
    )
    answers = {
        f"/portfolio/{ACCOUNT}/positions/1": second,
        f"/portfolio/{ACCOUNT}/positions/2": [],
    }
    fetched = positions_answering(first, **answers).fetch_positions(ACCOUNT)
    assert len({item.contract.aliases["ibkr"] for item in fetched.items}) == 107


def test_failing_definitions_do_not_cost_a_book_that_is_complete_without_them() -> None:
    answers = {"/trsrv/secdef": httpx.Response(500)}
    bridge = positions_answering([stock_row(), option_row()], **answers)
    assert len(bridge.fetch_positions(ACCOUNT).items) == 2
    bridge = positions_answering([option_row(contractDesc="SPY")], **answers)
    with pytest.raises(RetryableError):
        bridge.fetch_positions(ACCOUNT)
