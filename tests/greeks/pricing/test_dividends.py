from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from config.core.clock import market_now
from greeks.domain import Contract, InstrumentKind, Right
from greeks.models import Dividend
from greeks.pricing.dividends import dividends_of, known_dividends

pytestmark = pytest.mark.django_db


def add(underlying: str, days: int, amount: str = "0.26") -> date:
    ex_date = market_now().date() + timedelta(days=days)
    Dividend.objects.create(
        underlying=underlying,
        ex_date=ex_date,
        amount=Decimal(amount),
        currency="USD",
        source="set",
        as_of=market_now(),
    )
    return ex_date


def option(underlying: str, days: int) -> Contract:
    return Contract(
        kind=InstrumentKind.OPTION,
        symbol=f"{underlying} {days}",
        underlying=underlying,
        multiplier=Decimal(100),
        currency="USD",
        expiry=market_now().date() + timedelta(days=days),
        strike=Decimal(100),
        right=Right.CALL,
    )


def test_dividends_to_come_are_given_by_underlying_in_order() -> None:
    later, sooner = add("AAPL", 100), add("AAPL", 10, "0.25")
    add("AAPL", -30)
    add("AAPL", 400)
    add("MSFT", 20)
    until = market_now().date() + timedelta(days=200)
    assert known_dividends([("AAPL", "USD"), ("SPY", "USD")], until=until) == {
        "stock:AAPL:USD": ((sooner, 0.25), (later, 0.26))
    }


def test_dividends_of_options_reach_to_the_last_expiry_in_one_query(
    django_assert_num_queries: pytest.FixtureRequest,
) -> None:
    ex_date = add("AAPL", 50)
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert dividends_of([option("AAPL", 20), option("AAPL", 60)]) == {
            "stock:AAPL:USD": ((ex_date, 0.26),)
        }
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert dividends_of([]) == {}


def test_one_amount_an_ex_date_and_no_negative_one() -> None:
    add("AAPL", 10)
    for days, amount in ((10, "0.30"), (11, "-0.30")):
        with pytest.raises(IntegrityError), transaction.atomic():
            add("AAPL", days, amount)
