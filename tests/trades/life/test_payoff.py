"""A trade's payoff: as opened, as it is open, and today by the models of the account's book."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client

from greeks.models import Instrument
from portfolio.domain import ExecutionKind
from portfolio.models import Account
from tests.factories import AccountFactory, PositionFactory
from tests.trades.strategies.test_store import AT, CONTRACTS, fill, option, record
from trades.models import Trade

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
PUT, LOW, _, STOCK, _ = CONTRACTS


@pytest.fixture
def account() -> Account:
    return AccountFactory.create(account_id="U1", account_number="U1", broker="IBKR")


@pytest.fixture
def page(client: Client, account: Account) -> Client:
    client.force_login(account.owner)
    return client


def payoff(page: Client) -> dict[str, Any]:
    with time_machine.travel(AT, tick=False):
        answer = page.get(f"/api/trades/{Trade.objects.get().key}/payoff")
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def at(body: dict[str, Any], price: float, name: str) -> float:
    return float(body[name][body["underlying"].index(price)])


def hold(account: Account, symbol: str, **values: Any) -> None:
    instrument = Instrument.objects.get(symbol=symbol)
    price = values.pop("price")
    PositionFactory.create(
        account=account,
        instrument=instrument,
        symbol=symbol,
        underlying=instrument.underlying,
        instrument_type=instrument.kind,
        expiry=instrument.expiry,
        strike=instrument.strike,
        right=instrument.right,
        multiplier=instrument.multiplier,
        currency=instrument.currency,
        price=Decimal(price),
        market_value=Decimal(price) * values["quantity"] * instrument.multiplier,
        **{"iv_raw": 0.3, "underlying_price": Decimal(94)} | values,
    )


def spread() -> None:
    record(
        fill(0, -2, order_id="v", price=Decimal(3)),
        fill(0, 2, order_id="v", price=Decimal(1), contract=option(85),
             broker_execution_id="00a1.01"),
    )  # fmt: skip


def test_today_is_todays_result_at_todays_price(page: Client, account: Account) -> None:
    spread()
    # The book holds more than the trade: only its share counts.
    hold(account, PUT.symbol, quantity=-5, price="1.20")
    hold(account, option(85).symbol, quantity=2, price="0.30")
    body = payoff(page)
    assert (at(body, 90, "opened"), at(body, 85, "opened")) == (400, -600)
    assert (body["open"], body["spot"], body["strikes"]) == (None, 94, [85, 90])
    assert at(body, 94, "now") == pytest.approx((3 - 1.2) * 200 + (0.3 - 1) * 200)
    # Time value is left: below the strikes not all is lost yet, above not all is won.
    assert at(body, 85, "opened") < at(body, 85, "now") < at(body, 90, "now") < 400
    assert body["lacking"] == []


def test_closed_part_is_left_out_of_what_is_open(page: Client, account: Account) -> None:
    spread()
    record(fill(1, 1, order_id="c", price=Decimal(2)))
    body = payoff(page)
    assert (at(body, 90, "opened"), at(body, 90, "open")) == (400, 100)
    (reason,) = body["lacking"]
    assert body["now"] is None
    assert reason.startswith("Today: the account's book does not hold XYZ")


def test_calendar_is_valued_at_its_first_expiry(page: Client, account: Account) -> None:
    far = replace(PUT, symbol="XYZ   260320P00090000", expiry=date(2026, 3, 20))
    record(
        fill(0, -1, order_id="v", price=Decimal(1)),
        fill(0, 1, order_id="v", price=Decimal(3), contract=far, broker_execution_id="00a1.01"),
    )
    body = payoff(page)
    assert (body["opened"], body["open"], body["now"]) == (None, None, None)
    hold(account, PUT.symbol, quantity=-1, price="1.00")
    hold(account, far.symbol, quantity=1, price="3.00")
    body = payoff(page)
    assert at(body, 94, "now") == pytest.approx(0)
    # At the near leg's strike the far one is worth most.
    assert max(body["open"]) == pytest.approx(at(body, 90, "open"), abs=3)
    assert at(body, 90, "open") > 50
    assert body["opened"] is None


def test_closed_trade_keeps_the_payoff_of_its_opening(page: Client) -> None:
    spread()
    record(
        fill(1, 2, order_id="c", price=Decimal(2)),
        fill(1, -2, order_id="c", price=Decimal(1), contract=option(85),
             broker_execution_id="00a2.01"),
    )  # fmt: skip
    body = payoff(page)
    assert at(body, 85, "opened") == -600
    assert (body["open"], body["now"], body["lacking"]) == (None, None, [])


def test_adjusted_option_pays_for_the_shares_it_delivers(page: Client) -> None:
    record(fill(0, -1, order_id="a", price=Decimal(2)))
    Instrument.objects.filter(symbol=PUT.symbol).update(is_adjusted=True, deliverable_shares=10)
    body = payoff(page)
    # A strike of 90 for a hundredth of 10 shares each is 900 a share.
    assert body["strikes"] == [900]
    assert at(body, 900, "opened") == 200
    assert min(body["opened"]) == pytest.approx(200 - 10 * 900 * 0.15)
    Instrument.objects.filter(symbol=PUT.symbol).update(deliverable_shares=None)
    body = payoff(page)
    assert body["opened"] is None
    assert f"What {PUT.symbol} delivers is not known." in body["lacking"]


def test_shares_are_a_straight_line(page: Client, account: Account) -> None:
    record(fill(0, 30, order_id="s", contract=STOCK, price=Decimal(50)))
    hold(account, "XYZ", quantity=30, price="60", underlying_price=None, iv_raw=None)
    body = payoff(page)
    assert (at(body, 60, "opened"), at(body, 60, "now")) == (300, 300)


def test_without_a_price_of_the_underlying_today_is_unknown(page: Client, account: Account) -> None:
    record(fill(0, -1, order_id="a", price=Decimal(3)))
    hold(account, PUT.symbol, quantity=-1, price="1.20", underlying_price=None)
    body = payoff(page)
    assert body["now"] is None
    assert body["lacking"] == [f"Today: {PUT.symbol}, no price of the underlying."]


def test_delivered_shares_are_no_part_of_what_was_opened(page: Client) -> None:
    spread()
    record(
        fill(60, 2, kind=ExecutionKind.ASSIGNMENT, price=Decimal(0), commission=None),
        fill(60, 200, kind=ExecutionKind.DELIVERY, contract=STOCK, price=Decimal(90),
             commission=None, broker_execution_id="00a3.01"),
    )  # fmt: skip
    body = payoff(page)
    assert (at(body, 90, "opened"), at(body, 85, "opened")) == (400, -600)
    assert at(body, 90, "open") == -200
    assert Trade.objects.get().premium == 400
