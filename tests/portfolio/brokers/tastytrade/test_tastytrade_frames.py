"""Recorded frames and streamer symbols of Tastytrade are read as they were sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from greeks.domain import InstrumentKind
from greeks.providers.tastytrade_dxlink.messages import BadFrame, UnknownMessage, decode_message
from greeks.providers.tastytrade_dxlink.symbols import streamer_symbol
from portfolio.brokers.tastytrade.account import decode_balances, decode_position
from portfolio.brokers.tastytrade.contracts import KINDS
from portfolio.brokers.tastytrade.orders import decode_order
from portfolio.domain import OrderStatus
from tests.portfolio.brokers.tastytrade.tastytrade_support import recorded

ACCOUNT = "SENTINEL-5WX00042"
AT = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)


def test_position_frame_is_the_row_of_the_rest_answer() -> None:
    frame = recorded("frame_current-position.derived")
    found = decode_position(frame["data"], account_number=ACCOUNT, fetched_at=AT, futures={})

    assert (found.contract.symbol, found.quantity) == ("AAPL", Decimal(100))
    assert found.average_price == Decimal("99.5")


def test_balance_frame_is_the_object_of_the_rest_answer() -> None:
    frame = recorded("frame_account-balance.derived")
    found = decode_balances({"data": frame["data"]}, account_number=ACCOUNT, fetched_at=AT)

    assert (found.cash, found.maintenance_margin) == (Decimal(10000), Decimal(1500))


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("frame_order.documented", OrderStatus.FILLED),
        ("frame_order-market.documented", OrderStatus.PENDING),
    ],
)
def test_order_frame_is_the_row_of_the_rest_answer(name: str, status: OrderStatus) -> None:
    frame = recorded(name)
    found = decode_order(frame["data"], account_number=ACCOUNT, fetched_at=AT, futures={})

    assert (found.broker_order_id, found.status) == ("1", status)
    assert [leg.contract.symbol for leg in found.legs] == ["AAPL"]


@pytest.mark.parametrize(
    "name",
    ["frame_order.documented", "frame_current-position.derived", "frame_account-balance.derived"],
)
def test_frame_of_the_account_streamer_is_unknown_to_the_quote_streamer(name: str) -> None:
    frame = recorded(name)

    assert decode_message(json.dumps(frame)) == UnknownMessage(frame["type"])


@pytest.mark.parametrize(
    "name", ["frame_error-connect.documented", "frame_status-connect.documented"]
)
def test_answer_of_the_account_streamer_is_no_message_of_the_quote_streamer(name: str) -> None:
    with pytest.raises(BadFrame):
        decode_message(json.dumps(recorded(name)))


def pairs_of(answer: Any) -> Iterator[tuple[str, str, str]]:
    """Return type, symbol and streamer symbol of each instrument in an answer."""
    if isinstance(answer, list):
        for row in answer:
            yield from pairs_of(row)
    elif isinstance(answer, dict):
        if "streamer-symbol" in answer:
            yield (
                answer.get("instrument-type", "Future"),
                answer["symbol"],
                answer["streamer-symbol"],
            )
        for side in ("call", "put"):
            if f"{side}-streamer-symbol" in answer:
                yield "Equity Option", answer[side], answer[f"{side}-streamer-symbol"]
        for inner in answer.values():
            yield from pairs_of(inner)


@pytest.mark.parametrize(
    "name",
    [
        "equityOptionResp", "equityOptionsResp", "equityOptionChainsResp", "equityResp",
        "equityOptionChainsNestedResp", "capture_nested-option-chain", "equitiesResp",
        "activeEquitiesResp", "capture_equities",
    ],
)  # fmt: skip
def test_recorded_streamer_symbols_are_those_that_we_make(name: str) -> None:
    pairs = list(pairs_of(recorded(name)))
    assert pairs
    for kind, symbol, streamer in pairs:
        assert streamer_symbol(KINDS[kind], symbol) == streamer


def test_recorded_futures_are_not_streamed() -> None:
    pairs = list(pairs_of(recorded("capture_futures")))
    assert pairs
    assert {streamer_symbol(InstrumentKind.FUTURE, symbol) for _, symbol, _ in pairs} == {None}
