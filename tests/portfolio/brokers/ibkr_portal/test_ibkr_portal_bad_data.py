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

from config.core.errors import MalformedResponse
from greeks.domain import Contract, InstrumentKind
from greeks.providers.decoding import BadRow, decode_rows
from portfolio.brokers.ibkr_portal.account import decode_position, decode_summary
from portfolio.brokers.ibkr_portal.orders import decode_execution, decode_order
from portfolio.brokers.ibkr_portal.snapshots import decode_snapshot
from tests.portfolio.brokers.ibkr_portal.ibkr_portal_support import (
    ACCOUNT,
    AT,
    OPTION,
    UNSET,
    answering,
    option_row,
    order_row,
    trade_row,
)


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


def test_price_of_a_treasury_in_32nds_is_that_in_decimals() -> None:
    note = Contract(
        kind=InstrumentKind.FUTURE, symbol="ZN 20270319", underlying="/ZN", root="ZN",
        multiplier=Decimal(1000), currency="USD", expiry=date(2027, 3, 19),
    )  # fmt: skip
    row = {"conid": 9, "31": "C110'165", "84": "110'16", "86": "110'17.5"}
    snapshot = decode_snapshot(row, {"9": note}, received_at=AT)
    assert snapshot is not None
    assert snapshot.quote is not None
    quote = snapshot.quote
    assert (quote.bid, quote.ask) == (Decimal("110.5"), Decimal("110.546875"))
    assert quote.last == quote.previous_close == Decimal("110.515625")


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
        ({"_updated": 5}, "_updated"),
    ],
)
def test_bad_snapshot_is_rejected_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRow, match=named):
        read_snapshot(**changes)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"7308": "-999"}, "delta: -999 is impossible"),
        ({"7309": "-0.1"}, "gamma: -0.1 is impossible"),
        ({"7311": "-2"}, "vega: -2 is impossible"),
        ({"7308": "nothing"}, "delta: 'nothing' is not a number"),
        ({"7310": "1e15"}, "theta: '1e15' is too large to be true"),
        ({"7633": "-3%"}, "implied_volatility: -0.03 is impossible"),
        ({"7633": "99999%"}, "implied_volatility: 999.99 is impossible"),
        ({"7633": "high%"}, "implied_volatility: 'high' is not a number"),
    ],
)
def test_impossible_greek_is_missing_by_name_and_the_row_stays(
    changes: dict[str, str], fault: str
) -> None:
    snapshot = read_snapshot(**changes)
    assert snapshot.faults == (fault,)
    assert snapshot.quote.bid is not None
    greeks = snapshot.greeks
    if "7633" in changes:
        assert (greeks.implied_volatility, greeks.is_complete) == (None, True)
    else:
        assert (greeks.delta, greeks.gamma, greeks.theta, greeks.vega) == (None,) * 4
        assert greeks.implied_volatility is not None


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
