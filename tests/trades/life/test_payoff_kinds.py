"""The payoff of each kind: futures, options on them, another currency, AM and PM settlement."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from django.test import Client

from greeks.domain import Contract, InstrumentKind, Right
from portfolio.models import Account
from tests.trades.life.test_payoff import account, at, hold, page, payoff
from tests.trades.strategies.test_store import fill, option, record

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
__all__ = ["account", "page"]
FUTURE = Contract(
    kind=InstrumentKind.FUTURE,
    symbol="ES 20260320",
    underlying="/ES",
    root="ES",
    multiplier=Decimal(50),
    currency="USD",
    expiry=date(2026, 3, 20),
)
FUTURE_PUT = Contract(
    kind=InstrumentKind.FUTURE_OPTION,
    symbol="EW2 20260213 P 6900",
    underlying="/ES",
    root="EW2",
    multiplier=Decimal(50),
    currency="USD",
    expiry=date(2026, 2, 13),
    strike=Decimal(6900),
    right=Right.PUT,
)


def index_option(root: str) -> Contract:
    return replace(
        option(100, right=Right.CALL), symbol=f"{root:<6}260116C00100000", underlying="SPX",
        root=root,
    )  # fmt: skip


def test_future_pays_its_multiplier(page: Client, account: Account) -> None:
    record(fill(0, -2, order_id="f", contract=FUTURE, price=Decimal(7000)))
    hold(account, FUTURE.symbol, quantity=-2, price="7010", underlying_price=None, iv_raw=None)
    body = payoff(page)
    assert (body["spot"], body["lacking"], body["strikes"]) == (7010, [], [])
    assert (at(body, 7010, "opened"), at(body, 7010, "now")) == (-1000, -1000)


def test_option_on_a_future_pays_by_the_future(page: Client, account: Account) -> None:
    record(fill(0, -1, order_id="o", contract=FUTURE_PUT, price=Decimal(20)))
    hold(account, FUTURE_PUT.symbol, quantity=-1, price="15", underlying_price=Decimal(7000))
    body = payoff(page)
    assert (body["spot"], body["lacking"], body["strikes"]) == (7000, [], [6900])
    assert at(body, 6900, "opened") == 1000
    assert at(body, 7000, "now") == pytest.approx(250)
    low = body["underlying"][0]
    assert body["opened"][0] == pytest.approx((20 - (6900 - low)) * 50)


def test_future_covered_by_an_option_on_it_is_one_payoff(page: Client, account: Account) -> None:
    call = replace(FUTURE_PUT, symbol="EW2 20260213 C 6900", right=Right.CALL)
    record(
        fill(0, 1, order_id="c", contract=FUTURE, price=Decimal(6880)),
        fill(0, -1, order_id="c", contract=call, price=Decimal(30), broker_execution_id="00a1.01"),
    )
    hold(account, FUTURE.symbol, quantity=1, price="6890", underlying_price=None, iv_raw=None)
    hold(account, call.symbol, quantity=-1, price="25", underlying_price=Decimal(6890))
    body = payoff(page)
    assert at(body, 6900, "opened") == (20 + 30) * 50
    assert max(body["opened"]) == (20 + 30) * 50
    assert at(body, 6890, "now") == pytest.approx((10 + 5) * 50)


def test_payoff_abroad_stays_in_its_currency(page: Client, account: Account) -> None:
    euro = replace(option(90), symbol="SAP   260116P00090000", underlying="SAP", currency="EUR")
    record(fill(0, -1, order_id="e", contract=euro, price=Decimal(3)))
    hold(account, euro.symbol, quantity=-1, price="1.20")
    body = payoff(page)
    assert (body["currency"], body["lacking"]) == ("EUR", [])
    assert at(body, 90, "opened") == 300
    assert at(body, 94, "now") == pytest.approx(180)


def test_index_of_the_morning_ends_before_that_of_the_afternoon(
    page: Client, account: Account
) -> None:
    """One day, two instants: what is left of the later one is valued at the earlier."""
    morning, afternoon = index_option("SPX"), index_option("SPXW")
    record(
        fill(0, -1, order_id="i", contract=morning, price=Decimal(3)),
        fill(0, 1, order_id="i", contract=afternoon, price=Decimal(4),
             broker_execution_id="00a1.01"),
    )  # fmt: skip
    hold(account, morning.symbol, quantity=-1, price="2", underlying_price=Decimal(100))
    hold(account, afternoon.symbol, quantity=1, price="2.1", underlying_price=Decimal(100))
    body = payoff(page)
    assert (body["opened"], body["lacking"]) == (None, [])
    assert at(body, 100, "now") == pytest.approx(100 - 190)
    # At the strike the afternoon's has some hours of time value left.
    assert -100 < at(body, 100, "open") < -40
    assert body["open"][0] == pytest.approx(-100, abs=3)
