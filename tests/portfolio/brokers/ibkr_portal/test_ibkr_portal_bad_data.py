"""Bad rows are kept with their reason; bad answers end in an error, never in a shorter book."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.core.clock import now
from config.core.errors import MalformedResponse, PermanentError, RetryableError
from greeks.domain import Contract, InstrumentKind, Right
from greeks.providers.decoding import BadRow, decode_rows
from portfolio.brokers.ibkr_portal.account import decode_position, decode_summary
from portfolio.brokers.ibkr_portal.orders import decode_execution, decode_order
from portfolio.brokers.ibkr_portal.snapshots import decode_snapshot
from portfolio.domain import OrderStatus, Side
from tests.portfolio.brokers.ibkr_portal.ibkr_portal_support import (
    ACCOUNT,
    answering,
    option_row,
    positions_answering,
    stock_row,
    without,
)

AT = datetime(2026, 4, 2, 22, 40, tzinfo=UTC)
UNSET = 1.7976931348623157e308
OPTION = Contract(
    kind=InstrumentKind.OPTION,
    symbol="SPY   270115C00600000",
    underlying="SPY",
    multiplier=Decimal(100),
    currency="USD",
    root="SPY",
    expiry=date(2027, 1, 15),
    strike=Decimal(600),
    right=Right.CALL,
    aliases={"ibkr": "653556783"},
)


# --- Positions ----------------------------------------------------------------------------------
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


# --- Summary ------------------------------------------------------------------------------------
def entry(amount: Any, **changes: Any) -> dict[str, Any]:
    return {"amount": amount, "currency": "USD", "isNull": False, "timestamp": 1775169606} | changes


def summary_of(summary: Any, ledger: Any) -> Any:
    return decode_summary(ACCOUNT, summary=summary, ledger=ledger, brokerage={}, received_at=AT)


@pytest.mark.parametrize(
    ("summary", "ledger"),
    [
        ({}, {}),
        ({"netliquidation": entry(float("nan"))}, {"USD": {"exchangerate": 1}}),
        ({"netliquidation": entry(UNSET)}, {"USD": {"exchangerate": 1}}),
        ({"netliquidation": entry(5, isNull=True)}, {"USD": {"exchangerate": 1}}),
        ({"netliquidation": entry("many")}, {}),
        ({"netliquidation": 5}, {}),
        ({"netliquidation": entry(5), "buyingpower": entry({})}, {}),
        ({"netliquidation": entry(5, currency=5)}, {}),
        ({"netliquidation": entry(5)}, {"BASE": []}),
        ({"netliquidation": entry(5)}, {"USD": "row"}),
        ({"netliquidation": entry(5)}, {"BASE": {"unrealizedpnl": "lots"}}),
        ({"netliquidation": entry(5, currency=None)}, {"USD": {"exchangerate": 1.2}}),
        ({"netliquidation": entry(5, timestamp="soon")}, {}),
    ],
)
def test_summary_without_a_believable_net_liquidation_is_malformed(
    summary: Any, ledger: Any
) -> None:
    bridge = answering(
        {
            f"/portfolio/{ACCOUNT}/summary": summary,
            f"/portfolio/{ACCOUNT}/ledger": ledger,
            f"/iserver/account/{ACCOUNT}/summary": {},
        }
    )
    with pytest.raises(MalformedResponse, match=ACCOUNT):
        bridge.fetch_account_summary(ACCOUNT)


def test_unset_amounts_are_none_and_rates_are_of_the_base_currency() -> None:
    ledger = {
        "BASE": {"unrealizedpnl": float("nan"), "realizedpnl": -12.5},
        "USD": {"exchangerate": 1},
        "EUR": {"exchangerate": 1.0853},
        "JPY": {"exchangerate": 0},
        "GBP": {"exchangerate": float("inf")},
    }
    summary = summary_of({"netliquidation": entry(5), "buyingpower": entry(UNSET)}, ledger)
    assert (summary.net_liquidation, summary.buying_power) == (Decimal(5), None)
    assert (summary.unrealized_pnl, summary.realized_pnl) == (None, Decimal("-12.5"))
    assert summary.fx_rates == {"USD": Decimal(1), "EUR": Decimal("1.0853")}


@pytest.mark.parametrize("body", [None, [], "text", 5])
def test_summary_of_another_type_is_malformed(body: Any) -> None:
    text = httpx.Response(200, text=json.dumps(body))
    with pytest.raises(MalformedResponse, match="expected an object"):
        answering({f"/portfolio/{ACCOUNT}/summary": text}).fetch_account_summary(ACCOUNT)


# --- Orders and trades --------------------------------------------------------------------------
def order_row(**changes: Any) -> dict[str, Any]:
    row = {
        "account": ACCOUNT,
        "conid": 653556783,
        "conidex": "653556783",
        "orderId": 1,
        "cashCcy": "USD",
        "secType": "OPT",
        "ticker": "SPY",
        "totalSize": 5.0,
        "filledQuantity": 0.0,
        "remainingQuantity": 5.0,
        "status": "Submitted",
        "origOrderType": "LIMIT",
        "price": "1.25",
        "timeInForce": "GTC",
        "side": "BUY",
    }
    return row | changes


def read_order(**changes: Any) -> Any:
    other = Contract(
        kind=InstrumentKind.STOCK,
        symbol="SPY",
        underlying="SPY",
        multiplier=Decimal(1),
        currency="USD",
    )
    known = {"653556783": OPTION, "756733": other}
    return decode_order(order_row(**changes), known, received_at=AT)


@pytest.mark.parametrize(
    ("sent", "filled", "expected"),
    [
        ("PendingSubmit", 0.0, OrderStatus.PENDING),
        ("PreSubmitted", 0.0, OrderStatus.WORKING),
        ("Submitted", 0.0, OrderStatus.WORKING),
        ("Submitted", 2.0, OrderStatus.PARTIALLY_FILLED),
        ("PendingCancel", 0.0, OrderStatus.WORKING),
        ("Filled", 5.0, OrderStatus.FILLED),
        ("Cancelled", 2.0, OrderStatus.CANCELLED),
        ("Inactive", 0.0, OrderStatus.INACTIVE),
        ("Rejected", 0.0, OrderStatus.REJECTED),
    ],
)
def test_status_is_mapped_by_one_table(sent: str, filled: float, expected: OrderStatus) -> None:
    assert read_order(status=sent, filledQuantity=filled).status is expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("B", Side.BUY),
        ("BOT", Side.BUY),
        ("BUY", Side.BUY),
        ("S", Side.SELL),
        ("SLD", Side.SELL),
        ("sell", Side.SELL),
    ],
)
def test_every_way_of_saying_the_side_is_read(sent: str, expected: Side) -> None:
    assert read_order(side=sent).legs[0].side is expected


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"status": "Dreaming"}, "status"),
        ({"status": None}, "status"),
        ({"side": "HOLD"}, "side"),
        ({"orderId": None}, "orderId"),
        ({"orderId": "x" * 100}, "orderId"),
        ({"totalSize": float("nan"), "filledQuantity": None}, "totalSize"),
        ({"totalSize": -5.0}, "totalSize"),
        ({"conid": 42, "conidex": "42"}, "conid: 42"),
        ({"price": "a lot"}, "price"),
        ({"conidex": "28812380;;;653556783/0"}, "conidex"),
        ({"lastExecutionTime": "yesterday"}, "lastExecutionTime"),
        ({"lastExecutionTime_r": 5}, "lastExecutionTime_r"),
    ],
)
def test_bad_order_is_rejected_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRow, match=named):
        read_order(**changes)


def test_combination_has_its_legs_and_a_signed_limit() -> None:
    legs = {"conidex": "28812380;;;653556783/-1,756733/100", "conid": 28812380, "secType": "BAG"}
    bought, sold = read_order(**legs), read_order(**legs, side="SELL")
    assert [(leg.side, leg.quantity) for leg in bought.legs] == [
        (Side.SELL, Decimal(5)),
        (Side.BUY, Decimal(500)),
    ]
    assert [leg.side for leg in sold.legs] == [Side.BUY, Side.SELL]
    assert (bought.limit_price, sold.limit_price) == (Decimal("1.25"), Decimal("-1.25"))


def trade_row(**changes: Any) -> dict[str, Any]:
    row = {
        "execution_id": "0000e0d5.6576fd38.01.01",
        "account": ACCOUNT,
        "conid": 653556783,
        "side": "S",
        "size": 5.0,
        "price": "192.26",
        "commission": "1.01",
        "trade_time": "20231211-18:00:49",
        "trade_time_r": 1702317649000,
        "sec_type": "OPT",
    }
    return row | changes


def read_trade(**changes: Any) -> Any:
    return decode_execution(trade_row(**changes), {"653556783": OPTION}, account_number=ACCOUNT)


def test_trade_of_the_documentation_is_read_in_full() -> None:
    execution = read_trade()
    assert (execution.side, execution.quantity, execution.price) == (
        Side.SELL,
        Decimal(5),
        Decimal("192.26"),
    )
    assert execution.commission == Decimal("1.01")
    assert execution.execution_time == datetime(2023, 12, 11, 18, 0, 49, tzinfo=UTC)
    assert read_trade(trade_time_r=None).execution_time == execution.execution_time


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"execution_id": None}, "execution_id"),
        ({"execution_id": "e" * 100}, "execution_id"),
        ({"execution_id": "a\x00b"}, "execution_id"),
        ({"size": -5.0}, "size"),
        ({"size": 0}, "size"),
        ({"size": float("inf")}, "size"),
        ({"price": None}, "price"),
        ({"price": "-3"}, "price"),
        ({"price": UNSET}, "price"),
        ({"price": 1e20}, "price"),
        ({"side": None}, "side"),
        ({"commission": {}}, "commission"),
        ({"trade_time": "noon", "trade_time_r": None}, "trade_time"),
        ({"trade_time_r": 1702317649}, "trade_time_r"),
        ({"conid": 42}, "conid: 42"),
    ],
)
def test_bad_trade_is_rejected_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRow, match=named):
        read_trade(**changes)


def test_other_accounts_rows_are_left_out_and_nameless_ones_rejected() -> None:
    rows = [trade_row(), trade_row(account="U7"), without(trade_row(), "account"), "noise"]
    definition = option_row(contractDesc=None, fullName=option_row()["contractDesc"])
    bridge = answering({"/iserver/account/trades": rows, "/trsrv/secdef": {"secdef": [definition]}})
    fetched = bridge.fetch_executions(ACCOUNT, since=now())
    assert [item.broker_execution_id for item in fetched.items] == ["0000e0d5.6576fd38.01.01"]
    assert sorted(row.reason for row in fetched.rejected) == [
        "'noise' is not an object",
        "account: missing",
    ]


# --- Snapshots ----------------------------------------------------------------------------------
def snapshot_row(**changes: Any) -> dict[str, Any]:
    row = {
        "conid": 653556783,
        "_updated": 1775169600000,
        "31": "C71.20",
        "84": "71.10",
        "86": "71.30",
        "87": "1.2K",
        "7283": "18.5%",
        "7295": "70.05",
        "7308": "0.6123",
        "7309": "0.0041",
        "7310": "-0.1834",
        "7311": "1.4207",
        "7633": "21.45%",
        "7635": "71.21",
        "7638": "12,345",
        "7741": "69.90",
    }
    return row | changes


def read_snapshot(**changes: Any) -> Any:
    return decode_snapshot(snapshot_row(**changes), {"653556783": OPTION}, received_at=AT)


def test_texts_of_the_snapshot_become_quote_and_greeks() -> None:
    snapshot = read_snapshot()
    quote, greeks = snapshot.quote, snapshot.greeks
    assert (quote.bid, quote.ask, quote.last, quote.mark) == (
        Decimal("71.10"),
        Decimal("71.30"),
        Decimal("71.20"),
        Decimal("71.21"),
    )
    assert (quote.opening_price, quote.previous_close) == (Decimal("70.05"), Decimal("69.90"))
    assert (quote.volume, quote.open_interest) == (1200, 12345)
    assert (greeks.delta, greeks.gamma, greeks.theta, greeks.vega) == (
        0.6123,
        0.0041,
        -0.1834,
        1.4207,
    )
    # Of the strike, not the underlying's 18.5 %.
    assert greeks.implied_volatility == pytest.approx(0.2145)
    assert greeks.as_of == quote.as_of == datetime(2026, 4, 2, 22, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "count"), [("1.2K", 1200), ("3.4M", 3_400_000), ("50000000", 50_000_000), ("0", 0)]
)
def test_short_counts_are_written_out(text: str, count: int) -> None:
    assert read_snapshot(**{"87": text}).quote.volume == count


@pytest.mark.parametrize("value", ["", None, "NaN", float("nan"), UNSET])
def test_missing_greek_is_none_and_the_others_stay(value: Any) -> None:
    greeks = read_snapshot(**{"7310": value}).greeks
    assert greeks.theta is None
    assert greeks.delta == 0.6123
    assert not greeks.is_complete


def test_minus_one_bid_is_no_bid() -> None:
    assert read_snapshot(**{"84": "-1"}).quote.bid is None


def test_previous_close_comes_from_the_close_marker_where_the_field_is_missing() -> None:
    assert read_snapshot(**{"7741": None}).quote.previous_close == Decimal("71.20")


def test_row_of_the_preflight_is_no_snapshot() -> None:
    preflight = {"conid": 653556783, "conidEx": "653556783"}
    assert decode_snapshot(preflight, {"653556783": OPTION}, received_at=AT) is None


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"conid": None}, "conid"),
        ({"conid": 99}, "conid"),
        ({"31": "H-"}, "31"),
        ({"84": "cheap"}, "84"),
        ({"86": []}, "86"),
        ({"87": "-5"}, "87"),
        ({"7308": "5.2"}, "7308"),
        ({"7309": "-0.1"}, "7309"),
        ({"7311": "-2"}, "7311"),
        ({"7308": "nothing"}, "7308"),
        ({"7633": "-3%"}, "7633"),
        ({"7633": "99999%"}, "7633"),
        ({"_updated": 5}, "_updated"),
    ],
)
def test_bad_snapshot_is_rejected_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRow, match=named):
        read_snapshot(**changes)


# --- Anything at all ----------------------------------------------------------------------------
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=120),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(data=st.data())
def test_any_damage_to_a_row_is_read_or_rejected(data: st.DataObject) -> None:
    rows: dict[str, tuple[dict[str, Any], Any]] = {
        "position": (option_row(), lambda row: decode_position(row, {}, received_at=AT)),
        "order": (order_row(), lambda row: decode_order(row, {}, received_at=AT)),
        "trade": (
            trade_row(),
            lambda row: decode_execution(row, {"653556783": OPTION}, account_number=ACCOUNT),
        ),
        "snapshot": (
            snapshot_row(),
            lambda row: decode_snapshot(row, {"653556783": OPTION}, received_at=AT),
        ),
    }
    for kind, (row, decode) in rows.items():
        names = st.sampled_from(sorted(row))
        damaged = row | data.draw(st.dictionaries(names, json_values, min_size=1, max_size=3))
        fetched = decode_rows([damaged, row], decode, kind=kind, source="ibkr", as_of=AT)
        assert len(fetched.items) + len(fetched.rejected) == 2
