"""What needs a decision: what expires, and which short options may be assigned."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from config.core.clock import market_now, now
from greeks.models import Dividend
from portfolio.accounts.days import local_date
from portfolio.dashboard.decisions import Option, assignment_risk, read_decisions
from tests.factories import AccountFactory, OptionFactory, PositionFactory

TODAY = date(2026, 11, 30)


def option(**changes: Any) -> Option:
    """A short put, 10 in the money with 0.04 of time value, a month before its expiry."""
    values = {
        "id": "1", "account_id": "U1", "symbol": "KO", "underlying": "KO", "currency": "USD",
        "right": "P", "strike": 70.0, "expiry": TODAY + timedelta(days=30), "dte": 30,
        "quantity": -1.0, "is_american": True, "spot": 60.0, "in_the_money": 10.0,
        "time_value": 0.04, "as_of": None, "source": "ibkr",
    }  # fmt: skip
    return Option(**{**values, **changes})


def test_short_option_with_little_time_value_may_be_assigned() -> None:
    assert assignment_risk(option(), ()) == "10.00 in the money with 0.04 of time value"
    # A price below the intrinsic value leaves none.
    assert "0.00 of time value" in assignment_risk(option(time_value=-0.2), ())


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": 1.0},
        {"is_american": False},
        {"in_the_money": -0.01},
        {"in_the_money": 0.0},
        {"time_value": 0.2},
        {"time_value": None},
        {"in_the_money": None, "time_value": None},
        {"dte": -1},
    ],
)
def test_other_options_are_at_no_risk(changes: dict[str, Any]) -> None:
    assert assignment_risk(option(**changes), ()) == ""


@pytest.mark.parametrize(
    ("days", "amount", "at_risk"),
    [(2, 0.51, True), (7, 0.51, True), (8, 0.51, False), (2, 0.5, False)],
)
def test_call_is_at_risk_before_a_dividend_worth_more_than_its_time_value(
    days: int, amount: float, at_risk: bool
) -> None:
    call = option(right="C", time_value=0.5)
    found = assignment_risk(call, [(TODAY + timedelta(days=days), amount)])
    assert found.startswith("ex-dividend on") is at_risk


@pytest.mark.django_db
def test_book_is_read_with_its_dividends_in_two_queries(
    django_assert_num_queries: Any,
) -> None:
    account = AccountFactory()
    # The account's own day: at night in London it is still the day before in New York.
    today = local_date(account, market_now())
    soon, later = today + timedelta(days=7), today + timedelta(days=60)

    def held(right: str, expiry: date, **values: Any) -> str:
        contract = OptionFactory(
            underlying="KO", strike=60, right=right, expiry=expiry, exercise_style="american"
        )
        row = PositionFactory(
            account=account, instrument=contract, underlying_price=70, quantity=-1, **values
        )
        return str(row.pk)

    expiring = held("P", soon, price=1)
    called = held("C", later, price="10.5")
    held("P", later, price=1)
    held("C", later, price=14)
    closed = held("C", soon, price="10.01")
    account.positions.filter(pk=closed).update(quantity=0)
    Dividend.objects.create(
        underlying="KO", ex_date=today + timedelta(days=3), amount="0.55", currency="USD",
        source="set", as_of=now(),
    )  # fmt: skip
    with django_assert_num_queries(2):
        found = read_decisions([account])
    assert [each.option.id for each in found] == [expiring, called]
    assert found[0].expiring.endswith("days, out of the money")
    assert found[0].assignment == ""
    assert found[1].expiring == ""
    assert found[1].assignment.endswith("0.55 exceeds 0.50 of time value")
