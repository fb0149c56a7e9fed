"""An added leg takes volatility, yield and spot from its own product alone."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from auth_tokens.models import User
from greeks.models import Instrument
from portfolio.models import Account, FxRate, Position, Quote
from portfolio.risk.book import read_risk_book
from portfolio.risk.report import ready_book
from portfolio.risk.what_if.known_contracts import is_volatility
from portfolio.risk.what_if.run import what_if
from tests.factories import AS_OF, UserFactory
from tests.portfolio.risk.legs import stored_account, stored_option, stored_stock

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_stopped_clock")]

EXPIRY = "2027-01-04"


@pytest.fixture
def _stopped_clock() -> Any:
    with time_machine.travel("2026-11-20T15:00:00Z", tick=False):
        yield


@pytest.fixture
def account(trader: User) -> Account:
    FxRate.objects.create(base="USD", quote="EUR", rate=Decimal("1.1"), as_of=AS_OF, source="ibkr")
    return stored_account(trader)


@pytest.fixture
def share() -> Instrument:
    """X in dollars, held by somebody else and quoted at 100."""
    instrument = stored_stock(stored_account(UserFactory()), symbol="X").instrument
    Quote.objects.create(
        instrument=instrument, symbol="X", price=Decimal(100), source="ibkr", as_of=AS_OF
    )
    return instrument


def added(trader: User, **values: Any) -> dict[str, Any]:
    change: dict[str, Any] = {
        "action": "add", "underlying": "X", "instrument_type": "option", "right": "C",
        "strike": 105, "quantity": 1, "expiry": EXPIRY, "currency": "USD",
    }  # fmt: skip
    change = {name: value for name, value in (change | values).items() if value is not None}
    body = what_if(user=trader, changes=[change])
    (leg,) = body["legs"]
    return leg | {"notes": body["notes"]}


def hold(account: Account, **values: Any) -> Position:
    """A call on X, 100; of another root or currency if said."""
    root, currency = values.pop("root", "X"), values.get("currency", "USD")
    adjusted = values.pop("is_adjusted", False)
    terms: dict[str, Any] = {"underlying": "X", "strike": 100, "right": "C", "style": "american"}
    held = stored_option(account, **(terms | values))
    Instrument.objects.filter(pk=held.instrument_id).update(
        root=root, currency=currency, is_adjusted=adjusted
    )
    return held


@pytest.mark.parametrize(
    "held",
    [
        None,
        {"root": "X1", "price": "55", "underlying_price": Decimal(100)},
        {"currency": "EUR", "price": "6", "underlying_price": Decimal(90)},
        {"multiplier": 10, "price": "55", "underlying_price": Decimal(100)},
        {"is_adjusted": True, "price": "55", "underlying_price": Decimal(100)},
    ],
)
def test_price_is_the_same_whatever_else_is_held(
    trader: User, account: Account, share: Instrument, held: dict[str, Any] | None
) -> None:
    if held:
        hold(account, **held)
    leg = added(trader, implied_volatility=0.3)
    assert leg["price"] == pytest.approx(2.431, abs=1e-3)
    assert leg["delta"] / 100 == pytest.approx(0.359, abs=1e-3)


@pytest.mark.parametrize(
    "held", [{"root": "X1"}, {"currency": "EUR"}, {"multiplier": 10}, {"is_adjusted": True}]
)
def test_other_product_of_the_same_terms_is_not_more_of_the_held(
    trader: User, account: Account, share: Instrument, held: dict[str, Any]
) -> None:
    hold(account, price="55", underlying_price=Decimal(100), **held)
    leg = added(trader, strike=100, price=4.0)
    assert (leg["price"], leg["iv_source"]) == (4.0, "price")
    assert leg["iv"] == pytest.approx(0.27, abs=0.01)


@pytest.mark.parametrize("wrong", [0.0, -0.2, None])
def test_held_volatility_that_is_none_is_not_taken(
    trader: User, account: Account, share: Instrument, wrong: float | None
) -> None:
    hold(account, price="4", underlying_price=Decimal(100), iv_raw=wrong)
    leg = added(trader, strike=100, price=4.0)
    assert leg["iv_source"] == "price"
    assert leg["iv"] == pytest.approx(0.27, abs=0.01)


@pytest.mark.parametrize(
    ("value", "usable"),
    [(0.2, True), (0.0, False), (-0.2, False), (math.nan, False), (math.inf, False), (None, False)],
)
def test_volatility_is_a_finite_number_above_zero(value: float | None, usable: bool) -> None:
    assert is_volatility(value) is usable


def test_book_leg_comes_before_the_quote_as_in_the_scenarios(
    trader: User, account: Account, share: Instrument
) -> None:
    stored_stock(account, symbol="X", price=110)
    held = hold(account, strike=120, price="4", underlying_price=None, iv_raw=0.3)
    book = read_risk_book([account])
    assert book.spots["stock:X:USD"] == 100.0
    ready = ready_book(book)
    in_scenarios = ready.spots[[leg.id for leg in ready.legs].index(str(held.pk))]
    assert in_scenarios == 110.0
    leg = added(trader, strike=125, implied_volatility=0.3)
    stock = added(trader, instrument_type="stock", strike=None, right=None, expiry=None)
    Position.objects.filter(pk=held.pk).delete()
    alone = added(trader, strike=125, implied_volatility=0.3)
    assert stock["price"] == in_scenarios
    assert alone["dollar_delta"] / alone["delta"] == pytest.approx(in_scenarios)
    assert leg["dollar_delta"] / leg["delta"] == pytest.approx(in_scenarios)


def test_name_known_in_two_currencies_says_which_is_meant(
    trader: User, account: Account, share: Instrument
) -> None:
    hold(account, currency="EUR", price="6", underlying_price=Decimal(90))
    leg = added(trader, implied_volatility=0.3, currency="")
    assert leg["price"] == pytest.approx(2.431, abs=1e-3)
    assert any("X is known in EUR and USD: USD is meant" in note for note in leg["notes"])
    euros = added(trader, implied_volatility=0.3, currency="EUR")
    assert euros["price"] < 2.0
