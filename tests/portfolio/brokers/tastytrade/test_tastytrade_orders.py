"""Orders of Tastytrade: signed limits, legs, states and the codes of their words."""

from __future__ import annotations

from decimal import Decimal

import pytest

from portfolio.domain import OrderStatus
from tests.portfolio.brokers.tastytrade.tastytrade_support import (
    ACCOUNT,
    LEG,
    ORDER,
    answering,
    items,
)


@pytest.mark.parametrize(
    ("effect", "legs", "expected"),
    [
        ("Debit", 2, Decimal("1.2")),
        ("Credit", 2, Decimal("-1.2")),
        ("Debit", 1, Decimal("1.2")),
        # One leg sold at a price: the price, as every broker states it.
        ("Credit", 1, Decimal("1.2")),
    ],
)
def test_limit_price_and_only_spreads_are_signed(effect: str, legs: int, expected: Decimal) -> None:
    other = LEG | {"symbol": "SPY   270115P00590000", "action": "Buy to Open"}
    row = ORDER | {"price-effect": effect, "legs": [LEG, other][:legs]}
    [order] = answering(items(row)).fetch_open_orders(ACCOUNT).items
    assert order.limit_price == expected
    assert order.updated_at is None


def test_partly_filled_spread_and_its_slowest_leg_counts() -> None:
    legs = [
        LEG | {"quantity": 3, "remaining-quantity": 2},
        LEG | {"quantity": 6, "remaining-quantity": 1, "symbol": "SPY   270115P00590000"},
    ]
    [order] = answering(items(ORDER | {"size": 3, "legs": legs})).fetch_open_orders(ACCOUNT).items
    assert order.filled_quantity == 1
    assert order.status is OrderStatus.PARTIALLY_FILLED


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        (("Limit", "Day"), ("LIMIT", "DAY")),
        (("Stop Limit", "GTC"), ("STOP_LIMIT", "GTC")),
        (("Notional Market", "GTC Ext Overnight"), ("NOTIONAL_MARKET", "GTC_OVERNIGHT")),
    ],
)
def test_order_type_and_time_in_force_and_they_become_codes(
    words: tuple[str, str], codes: tuple[str, str]
) -> None:
    row = ORDER | {"order-type": words[0], "time-in-force": words[1]}
    [order] = answering(items(row)).fetch_open_orders(ACCOUNT).items
    assert (order.order_type, order.time_in_force) == codes


def test_long_order_and_its_description_fits_the_column() -> None:
    legs = [LEG | {"symbol": f"SPY   270115P00{strike}000"} for strike in range(500, 512)]
    [order] = answering(items(ORDER | {"legs": legs})).fetch_open_orders(ACCOUNT).items
    assert len(order.description) == 160


FUTURES = items({"symbol": "/ESZ6", "notional-multiplier": "50.0", "expiration-date": "2026-12-18"})


def test_future_legs_and_multiplier_comes_from_the_instrument() -> None:
    legs = [
        LEG | {"instrument-type": "Future", "symbol": "/ESZ6", "action": "Buy"},
        LEG | {"instrument-type": "Future Option", "symbol": "./ESZ6 EW4X6 261127P6000.5"},
    ]
    adapter = answering(items(ORDER | {"legs": legs}), futures=FUTURES)
    [order] = adapter.fetch_open_orders(ACCOUNT).items
    future, option = (leg.contract for leg in order.legs)
    assert (future.multiplier, future.underlying) == (Decimal(50), "/ES")
    assert future.aliases == {"tastytrade": "/ESZ6"}
    assert str(future.expiry) == "2026-12-18"
    assert (option.multiplier, option.strike) == (Decimal(50), Decimal("6000.5"))
    assert option.underlying == "/ESZ6"
    assert str(option.expiry) == "2026-11-27"


def test_future_that_nobody_describes_and_the_row_is_rejected() -> None:
    legs = [LEG | {"instrument-type": "Future", "symbol": "/ESZ6", "action": "Buy"}]
    fetched = answering(items(ORDER | {"legs": legs}), futures=items()).fetch_open_orders(ACCOUNT)
    assert [rejected.reason for rejected in fetched.rejected] == ["multiplier: unknown for /ESZ6"]
