"""One contract quoted in cents, or named differently, is one instrument in one unit everywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from greeks.domain import Contract
from greeks.instruments.identity import instrument_key
from greeks.underlyings import underlying_key
from portfolio.brokers.ibkr_portal.contracts import decode_contract as decode_ibkr
from portfolio.brokers.tastytrade.account import decode_position
from portfolio.brokers.tastytrade.contracts import decode_contract, unit_of
from portfolio.brokers.tastytrade.future_symbols import FutureTerms
from portfolio.brokers.tastytrade.market_data import decode_snapshot
from portfolio.brokers.tastytrade.orders import decode_order
from portfolio.brokers.tastytrade.transactions import decode_transaction

AT = datetime(2026, 9, 1, 15, tzinfo=UTC)
CORN = {"instrument-type": "Future", "symbol": "/ZCZ6", "multiplier": 50,
        "expires-at": "2026-12-14T18:15:00Z"}  # fmt: skip
TERMS = {"/ZCZ6": FutureTerms(Decimal(50), datetime(2026, 12, 14, tzinfo=UTC).date())}
OPTION = {"instrument-type": "Future Option", "symbol": "./ZCZ6 OZCZ6 261120C450",
          "underlying-symbol": "/ZCZ6", "multiplier": 50}  # fmt: skip


def ibkr(name: str, multiplier: str, expiry: str, **terms: Any) -> Contract:
    row = {"conid": 7, "assetClass": "FUT", "ticker": name, "expiry": expiry, "currency": "USD",
           "multiplier": multiplier, **terms}  # fmt: skip
    return decode_ibkr(row)


@pytest.mark.parametrize(
    ("symbol", "per_price", "name", "multiplier", "expires_at"),
    [
        ("/ZCZ6", 50, "ZC", "5000", "2026-12-14T18:15:00Z"),
        ("/ZLZ6", 600, "ZL", "60000", "2026-12-14T18:15:00Z"),
        ("/ZMZ6", 100, "ZM", "100", "2026-12-14T18:15:00Z"),
        ("/HEZ6", 400, "HE", "40000", "2026-12-14T18:00:00Z"),
        ("/GFX6", 500, "GF", "50000", "2026-11-19T18:00:00Z"),
        ("/6JZ6", 12_500_000, "JPY", "12500000", "2026-12-14T15:16:00Z"),
        ("/6EZ6", 125_000, "EUR", "125000", "2026-12-14T15:16:00Z"),
        ("/VXZ6", 1000, "VIX", "1000", "2026-12-16T14:00:00Z"),
        ("/BTCZ6", 5, "BRR", "5", "2026-12-24T16:00:00Z"),
        ("/SILZ6", 1000, "SI", "1000", "2026-12-29T18:25:00Z"),
        ("/CLZ6", 1000, "CL", "1000", "2026-11-20T19:30:00Z"),
    ],
)
def test_future_is_one_instrument_at_both_brokers(
    symbol: str, per_price: int, name: str, multiplier: str, expires_at: str
) -> None:
    row = {"instrument-type": "Future", "symbol": symbol, "multiplier": per_price}
    ours = decode_contract({**row, "expires-at": expires_at})
    theirs = ibkr(name, multiplier, expires_at[:10].replace("-", ""))
    assert instrument_key(ours) == instrument_key(theirs)
    assert underlying_key(ours) == underlying_key(theirs)
    assert ours.underlying == theirs.underlying


def test_option_on_corn_is_one_instrument_in_dollars_at_both_brokers() -> None:
    ours = decode_contract(OPTION, TERMS)
    key = instrument_key(decode_contract(CORN))
    theirs = ibkr("ZC", "5000", "20261120", assetClass="FOP", strike="450", putOrCall="C",
                  priceMagnifier=100, tradingClass="OZC", underlyingKey=key)  # fmt: skip
    assert instrument_key(ours) == instrument_key(theirs)
    assert instrument_key(ours) == "future_option:OZC:20261120:4.5:C:5000:USD"
    assert underlying_key(ours) == underlying_key(theirs) == key == "future:ZC:20261214:5000:USD"


def test_numbers_of_corn_are_in_dollars_everywhere() -> None:
    held = {**CORN, "quantity": 2, "quantity-direction": "Short", "average-open-price": "460.25",
            "mark-price": "450.5", "close-price": "455"}  # fmt: skip
    position = decode_position(held, account_number="1", fetched_at=AT, futures={})
    assert (position.price, position.average_price) == (Decimal("4.505"), Decimal("4.6025"))
    assert position.previous_close == Decimal("4.55")
    assert (position.market_value, position.unrealized_pnl) == (Decimal(-45_050), Decimal(975))

    option = decode_contract(OPTION, TERMS)
    row = {"symbol": OPTION["symbol"], "bid": "10", "ask": "11", "mark": "10.5", "delta": "0.5",
           "gamma": "0.01", "theta": "-0.2", "vega": "0.6", "volatility": "0.3"}  # fmt: skip
    contracts = {str(OPTION["symbol"]): option}
    snapshot = decode_snapshot(row, contracts=contracts, fetched_at=AT)
    assert snapshot.quote is not None
    assert snapshot.greeks is not None
    assert snapshot.quote.price == Decimal("0.105")
    assert (snapshot.greeks.delta, snapshot.greeks.gamma) == (0.5, 1.0)
    assert (snapshot.greeks.theta, snapshot.greeks.vega) == (-0.002, 0.006)

    leg = {**OPTION, "action": "Buy to Open", "quantity": 1, "remaining-quantity": 1}
    order = {"id": 1, "status": "Live", "order-type": "Limit", "time-in-force": "Day",
             "size": 1, "price": "10.5", "price-effect": "Debit", "legs": [leg]}  # fmt: skip
    placed = decode_order(order, account_number="1", fetched_at=AT, futures=TERMS)
    assert placed.limit_price == Decimal("0.105")

    fill = {"id": 2, "transaction-type": "Trade", "transaction-sub-type": "Buy to Open",
            "action": "Buy to Open", "executed-at": "2026-09-01T15:00:00Z", "quantity": 1,
            "price": "10.5", "value": "525", "value-effect": "Debit", **OPTION}  # fmt: skip
    event = decode_transaction(fill, account_number="1", source="tastytrade", futures=TERMS)
    assert event.price == Decimal("0.105")  # type: ignore[union-attr]


def test_dollars_stay_dollars() -> None:
    oil = decode_contract({"instrument-type": "Future", "symbol": "/CLZ6", "multiplier": 1000})
    share = decode_contract({"instrument-type": "Equity", "symbol": "ZC"})
    assert unit_of(oil) == unit_of(share) == 1
