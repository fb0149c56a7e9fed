"""Adjusted options at Tastytrade: the option chain of the underlying tells what they deliver."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest

from greeks.domain import Deliverable
from portfolio.domain import BrokerPosition
from tests.portfolio.brokers.tastytrade.tastytrade_support import scripted_adapter

ACCOUNT = "5WT00000"
POSITION = {
    "account-number": ACCOUNT,
    "symbol": "UVX1  270115C00012000",
    "instrument-type": "Equity Option",
    "underlying-symbol": "UVX",
    "quantity": 1,
    "quantity-direction": "Long",
    "average-open-price": "3.0",
    "mark-price": "3.65",
    "multiplier": 100,
}
SHARES = {"deliverable-type": "Shares", "amount": "20.0", "symbol": "UVX"}
CASH = {"deliverable-type": "Cash", "amount": "13.5"}


def held(row: dict[str, Any], chain: httpx.Response) -> BrokerPosition:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/option-chains/UVX/nested":
            return chain
        return httpx.Response(200, json={"data": {"items": [row]}})

    fetched = scripted_adapter(handler).fetch_positions(ACCOUNT)
    assert not fetched.rejected
    [position] = fetched.items
    return position


def chain(*parts: Any) -> httpx.Response:
    items = [
        {"root-symbol": "UVX", "deliverables": [{**SHARES, "amount": "100.0"}]},
        {"root-symbol": "UVX1", "deliverables": list(parts)},
    ]
    return httpx.Response(200, json={"data": {"items": items}})


@pytest.mark.parametrize(
    ("parts", "shares", "cash"), [([SHARES], "20", "0"), ([SHARES, CASH], "20", "13.5")]
)
def test_chain_tells_shares_and_cash(parts: list[Any], shares: str, cash: str) -> None:
    position = held(POSITION, chain(*parts))
    expected = Deliverable(shares=Decimal(shares), cash=Decimal(cash))
    assert position.contract.delivered == expected
    assert position.market_value == 365


@pytest.mark.parametrize(
    "answer",
    [
        chain(),
        chain({**SHARES, "symbol": "SPINOFF"}, SHARES),
        chain({**SHARES, "amount": "many"}),
        httpx.Response(404, json={}),
        httpx.Response(200, json={"data": {"items": [None, {"root-symbol": "UVX1"}]}}),
    ],
)
def test_unreadable_deliverable_is_unknown_and_the_position_is_held(
    answer: httpx.Response,
) -> None:
    position = held(POSITION, answer)
    assert position.contract.is_adjusted
    assert position.contract.delivered is None
    assert position.market_value == 365


@pytest.mark.parametrize("named", ["UVX1", ""])
def test_underlying_has_its_own_name(named: str) -> None:
    position = held({**POSITION, "underlying-symbol": named}, chain(SHARES))
    assert (position.contract.underlying, position.contract.root) == ("UVX", "UVX1")
