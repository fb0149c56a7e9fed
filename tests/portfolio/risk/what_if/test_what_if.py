"""What-if: the numbers before and after, priced from known data, with nothing written."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from auth_tokens.models import User
from config.core.errors import InvalidInput, NotFound
from greeks.maths import black_scholes
from greeks.models import ContractGreeks, Dividend, Instrument
from portfolio.models import Account, FxRate, Position, Quote
from portfolio.risk.report import risk_report
from portfolio.risk.what_if.run import what_if
from tests.factories import AS_OF, UserFactory
from tests.greeks.maths import black_76
from tests.portfolio.risk.legs import stored_account, stored_option, stored_stock
from tests.portfolio.risk.test_risk_report import store_closes

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("_stopped_clock"),
    pytest.mark.any_database,
]

# That of a stored option, on the stopped clock.
EXPIRY = "2027-01-04"
AMOUNTS = ("market_value", "delta", "dollar_delta", "gamma", "theta", "vega")


@pytest.fixture
def _stopped_clock() -> Any:
    with time_machine.travel("2026-11-20T16:00:00Z", tick=False):
        yield


@pytest.fixture
def account(trader: User) -> Account:
    return stored_account(trader)


@pytest.fixture
def put(account: Account) -> Position:
    return stored_option(account, strike=600, right="P", quantity=-2)


def known(position: Position, **values: Any) -> Instrument:
    """Return the position's contract in the shared cache."""
    ContractGreeks.objects.create(
        instrument=position.instrument, source="ibkr", as_of=AS_OF, updated_at=AS_OF,
        **({"implied_volatility_raw": 0.25} | values),
    )  # fmt: skip
    return position.instrument


def add(**values: Any) -> dict[str, Any]:
    base = {
        "action": "add", "underlying": "SPY", "instrument_type": "option", "right": "P",
        "strike": 580, "quantity": 1, "expiry": EXPIRY,
    }  # fmt: skip
    return {name: value for name, value in (base | values).items() if value is not None}


def asked(trader: User, *changes: dict[str, Any], **values: Any) -> dict[str, Any]:
    return what_if(user=trader, changes=list(changes), **values)


def test_closing_everything_leaves_nothing(trader: User, put: Position) -> None:
    body = asked(trader, {"action": "close", "position_id": str(put.pk)})
    assert all(body["after"][name] == 0.0 for name in AMOUNTS)
    assert body["after"]["worst"]["pnl"] == 0.0
    for name in AMOUNTS:
        assert body["difference"][name] == pytest.approx(-body["before"][name])
    assert body["difference"]["legs"] == -1
    assert body["difference"]["net_liquidation"] == 0


def test_before_is_what_the_report_says(trader: User, put: Position) -> None:
    before = asked(trader, {"action": "close", "position_id": str(put.pk)})["before"]
    totals = risk_report(user=trader)["totals"]
    assert {name: before[name] for name in AMOUNTS} == {name: totals[name] for name in AMOUNTS}


def test_another_quantity_scales_the_leg(trader: User, put: Position) -> None:
    body = asked(trader, {"action": "change", "position_id": str(put.pk), "quantity": -6})
    for name in AMOUNTS:
        assert body["after"][name] == pytest.approx(3 * body["before"][name])
    assert body["after"]["worst"]["pnl"] == pytest.approx(3 * body["before"]["worst"]["pnl"])
    assert body["legs"][0]["quantity"] == -6.0
    assert body["legs"][0]["price_source"] == "position"


@pytest.mark.parametrize("underlying", ["SPY", "VIX"])
def test_opposite_of_a_leg_closes_it(trader: User, account: Account, underlying: str) -> None:
    held = stored_option(
        account, underlying=underlying, strike=590, quantity=-3, greeks_source="tastytrade"
    )
    known(held)
    stored_stock(account, symbol=underlying)
    closed = asked(trader, {"action": "close", "position_id": str(held.pk)})
    body = asked(trader, add(underlying=underlying, strike=590, quantity=3))
    for name in (*AMOUNTS, "dollar_gamma"):
        assert body["after"][name] == pytest.approx(closed["after"][name]), name
    assert body["after"]["worst"]["pnl"] == pytest.approx(closed["after"]["worst"]["pnl"])
    (leg,) = body["legs"]
    assert (leg["price_source"], leg["iv_source"]) == ("position", "position")
    assert (leg["greeks_source"], leg["quantity"]) == ("tastytrade", 3.0)


def test_contract_that_others_hold_is_taken_from_the_cache(trader: User, account: Account) -> None:
    put = stored_option(stored_account(UserFactory()))
    stored_stock(account)
    instrument = known(put)
    Quote.objects.create(
        instrument=instrument, symbol=put.symbol, price=Decimal("13.5"), source="ibkr", as_of=AS_OF
    )
    body = asked(trader, add(strike=600, quantity=2))
    (leg,) = body["legs"]
    assert (leg["iv"], leg["iv_source"]) == (0.25, "contract")
    assert (leg["price"], leg["price_source"]) == (13.5, "quote")
    assert leg["market_value"] == 2 * 100 * 13.5
    assert (leg["model"], leg["symbol"]) == ("european", put.symbol)
    assert body["difference"]["delta"] == pytest.approx(leg["delta"])
    assert -100.0 < leg["delta"] < 0.0


def test_unknown_strike_takes_the_nearest_ones_volatility_and_the_models_price(
    trader: User, account: Account, put: Position
) -> None:
    known(put)
    known(stored_option(account, strike=500), implied_volatility_raw=0.4)
    (leg,) = asked(trader, add(strike=590))["legs"]
    assert (leg["iv"], leg["iv_source"], leg["price_source"]) == (0.25, "nearest_strike", "model")
    assert 5.0 < leg["price"] < 30.0


def test_given_price_and_volatility_are_taken(trader: User, put: Position) -> None:
    (leg,) = asked(trader, add(strike=590, price=9.5, implied_volatility=0.3))["legs"]
    assert (leg["price"], leg["iv"]) == (9.5, 0.3)
    assert (leg["price_source"], leg["iv_source"]) == ("given", "given")


def test_given_price_alone_implies_its_volatility(trader: User, put: Position) -> None:
    priced = asked(trader, add(strike=590, implied_volatility=0.3))["legs"][0]["price"]
    (leg,) = asked(trader, add(strike=590, price=priced))["legs"]
    assert (leg["iv"], leg["iv_source"]) == (pytest.approx(0.3, abs=1e-7), "price")


VIX_SPOT, VIX_FUTURE, VIX_VOLATILITY = 16.0, 19.5, 0.9


@pytest.fixture
def vix_call(account: Account) -> Position:
    """A VIX call marked at its future, far above the index; delta is per 1 of the index."""
    years = 45 / 365 + 5 / 24 / 365
    dividend_yield = 0.04 - math.log(VIX_FUTURE / VIX_SPOT) / years
    greeks = black_scholes.all_greeks(
        VIX_SPOT, 20.0, years, 0.04, dividend_yield, VIX_VOLATILITY, is_call=True
    )
    return stored_option(
        account, underlying="VIX", strike=20, right="C", quantity=20,
        underlying_price=Decimal(str(VIX_SPOT)), iv_raw=VIX_VOLATILITY,
        price=f"{float(greeks.price):.4f}", delta_raw=float(greeks.delta),
        gamma_raw=float(greeks.gamma), theta_raw=float(greeks.theta), vega_raw=float(greeks.vega),
    )  # fmt: skip


@pytest.mark.parametrize(
    "given", [{"implied_volatility": VIX_VOLATILITY}, {"price": 3.0}, {"price": 2.0}]
)
def test_held_leg_keeps_its_yield_and_volatility_when_another_is_given(
    trader: User, vix_call: Position, given: dict[str, float]
) -> None:
    added = add(underlying="VIX", strike=20, right="C", quantity=20, **given)
    (leg,) = asked(trader, added)["legs"]
    assert vix_call.delta_raw is not None
    assert leg["delta"] == pytest.approx(20 * 100 * vix_call.delta_raw, rel=5e-3)
    assert leg["iv"] == VIX_VOLATILITY
    assert leg["price"] == given.get("price", pytest.approx(float(vix_call.price or 0), abs=0.02))
    assert leg["iv_source"] == ("given" if "implied_volatility" in given else "position")


def test_unheld_strike_has_the_yield_of_the_nearest_held_one(
    trader: User, vix_call: Position
) -> None:
    added = add(underlying="VIX", strike=22, right="C", implied_volatility=0.95)
    (leg,) = asked(trader, added)["legs"]
    years = 45 / 365 + 5 / 24 / 365
    right = black_76.price(VIX_FUTURE, 22.0, years, 0.04, 0.95, is_call=True)
    assert leg["price"] == pytest.approx(float(right), abs=0.03)


def test_dividends_of_a_held_leg_are_in_the_greeks_of_the_added_one(
    trader: User, account: Account
) -> None:
    stored_option(account, strike=600, right="C", price="20", quantity=1)
    leg = add(strike=600, right="C", implied_volatility=0.2)
    before = asked(trader, leg)["legs"][0]["price"]
    Dividend.objects.create(
        underlying="SPY",
        ex_date=date(2026, 12, 18),
        amount=Decimal(30),
        currency="USD",
        source="set",
        as_of=AS_OF,
    )
    assert asked(trader, leg)["legs"][0]["price"] < before - 5.0


def test_past_days_are_replayed_before_and_after(trader: User, put: Position) -> None:
    store_closes("SPY", [0.01, -0.02] * 50)
    known(put)
    body = asked(trader, {"action": "change", "position_id": str(put.pk), "quantity": -4})
    report = risk_report(user=trader)["value_at_risk"]
    for method in ("parametric", "scenario"):
        before, after = (body[side]["value_at_risk"][method] for side in ("before", "after"))
        assert before == report[method]
        assert after[1]["var"] == pytest.approx(2 * before[1]["var"], rel=1e-3)
        change = body["difference"]["value_at_risk"][method]
        assert change[1]["confidence"] == 0.99
        assert change[1]["var"] == pytest.approx(after[1]["var"] - before[1]["var"])


def test_option_on_a_future_has_its_contracts_multiplier(trader: User, account: Account) -> None:
    held = stored_option(
        account, underlying="/ESZ6", strike=6700, underlying_price=Decimal(6810),
        instrument_type="future_option", multiplier=50,
    )  # fmt: skip
    known(held)
    Instrument.objects.filter(pk=held.instrument_id).update(kind="future_option", multiplier=50)
    (leg,) = asked(trader, add(underlying="/ESZ6", strike=6650))["legs"]
    assert (leg["multiplier"], leg["iv_source"]) == (50.0, "nearest_strike")
    assert leg["market_value"] == pytest.approx(50 * leg["price"])
    european = float(
        black_76.price(6810, 6650, 45 * 1.0 / 365 + 5 / 24 / 365, 0.04, 0.25, is_call=False)
    )
    assert european * (1 - 1e-9) <= leg["price"] <= european * 1.01


def test_contract_whose_multiplier_nobody_knows_is_refused(trader: User, account: Account) -> None:
    stored_option(account, underlying="NIFTY", currency="INR", underlying_price=Decimal(25000))
    stored_option(account, underlying="/ESZ6", underlying_price=Decimal(6810))
    for underlying in ("NIFTY", "/ESZ6"):
        with pytest.raises(InvalidInput) as caught:
            asked(trader, add(underlying=underlying, expiry="2027-02-01", implied_volatility=0.2))
        assert list(caught.value.fields) == ["changes.0.expiry"]


def test_stock_is_added_in_the_currency_of_its_quote(trader: User, account: Account) -> None:
    abroad = stored_stock(stored_account(UserFactory()), symbol="SAP").instrument
    Instrument.objects.filter(pk=abroad.pk).update(currency="EUR")
    Quote.objects.create(
        instrument=abroad, symbol="SAP", price=Decimal(200), source="ibkr", as_of=AS_OF
    )
    stock = add(underlying="SAP", instrument_type="stock", right=None, strike=None, expiry=None)
    body = asked(trader, stock)
    assert (body["legs"][0]["market_value"], body["difference"]["market_value"]) == (None, None)
    assert "Not converted: EUR." in body["notes"]
    assert "Value at risk leaves out (too little history): SAP:EUR." in body["notes"]
    FxRate.objects.create(base="USD", quote="EUR", rate=Decimal("1.1"), as_of=AS_OF, source="ibkr")
    assert asked(trader, stock)["after"]["market_value"] == pytest.approx(220.0)


def test_dividends_of_an_added_leg_are_in_its_scenarios(trader: User, account: Account) -> None:
    stored_stock(account)
    leg = add(strike=700, quantity=-5, implied_volatility=0.2)
    before = asked(trader, leg)["after"]["worst"]["pnl"]
    Dividend.objects.create(
        underlying="SPY",
        ex_date=date(2026, 12, 18),
        amount=Decimal(30),
        currency="USD",
        source="set",
        as_of=AS_OF,
    )
    assert abs(asked(trader, leg)["after"]["worst"]["pnl"] - before) > 100.0


def test_hedge_of_the_books_delta_is_seen(trader: User, put: Position) -> None:
    stock = add(instrument_type="stock", right=None, strike=None, expiry=None, quantity=-100)
    body = asked(trader, stock)
    assert body["before"]["delta"] == pytest.approx(100.0)
    assert body["after"]["delta"] == pytest.approx(0.0)
    (leg,) = body["legs"]
    assert (leg["price"], leg["model"], leg["iv_source"]) == (600.0, "linear", None)


def test_worst_cell_of_a_long_hedge_is_smaller(trader: User, put: Position) -> None:
    known(put)
    body = asked(trader, add(strike=560, quantity=2))
    assert body["after"]["worst"]["pnl"] > body["before"]["worst"]["pnl"]
    assert body["difference"]["worst"]["pnl"] == pytest.approx(
        body["after"]["worst"]["pnl"] - body["before"]["worst"]["pnl"]
    )
    assert [row["tenor"] for row in body["difference"]["vega_by_tenor"]] == [
        row["tenor"] for row in body["after"]["vega_by_tenor"]
    ]


def test_nothing_is_written(trader: User, put: Position) -> None:
    known(put)
    counts = [model.objects.count() for model in (Position, Instrument, ContractGreeks, Quote)]
    asked(trader, add(), {"action": "close", "position_id": str(put.pk)})
    assert counts == [
        model.objects.count() for model in (Position, Instrument, ContractGreeks, Quote)
    ]


def test_position_of_another_user_cannot_be_named(trader: User, put: Position) -> None:
    theirs = stored_stock(stored_account(UserFactory()))
    for name in (str(theirs.pk), "999999"):
        with pytest.raises(InvalidInput) as caught:
            asked(trader, {"action": "close", "position_id": name})
        assert caught.value.fields == {"changes.0.position_id": "No such position."}
    with pytest.raises(NotFound):
        asked(trader, add(), account_id=theirs.account_id)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"action": "sell"}, "action"), (add(underlying="=1+1"), "underlying"),
        (add(underlying="NOSUCH"), "underlying"), (add(instrument_type="bond"), "instrument_type"),
        (add(quantity=0), "quantity"), (add(quantity="x"), "quantity"),
        (add(quantity="1_000"), "quantity"), (add(quantity="\u0663"), "quantity"),
        (add(quantity="nan"), "quantity"),
        (add(quantity=1e300), "quantity"), (add(quantity=True), "quantity"),
        (add(strike=None), "strike"), (add(strike=-5), "strike"), (add(strike=0), "strike"),
        (add(right="X"), "right"), (add(expiry="2026-02-30"), "expiry"),
        (add(expiry="2020-01-17"), "expiry"), (add(expiry=[1]), "expiry"),
        (add(implied_volatility=11), "implied_volatility"),
        (add(price=-1), "price"), (add(strike=590), "implied_volatility"),
        (add(strike=590, price=0.0), "price"), (add(colour="red"), "colour"),
        (add(instrument_type="stock", right=None, expiry=None), "strike"),
        (add(instrument_type="stock", underlying="/ESZ6"), "underlying"),
        ({"action": "change", "position_id": "x", "quantity": 1}, "position_id"),
        ({"action": "close"}, "position_id"),
    ],
)  # fmt: skip
def test_impossible_change_is_refused_by_field(
    trader: User, put: Position, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        asked(trader, change)
    assert list(caught.value.fields) == [f"changes.0.{field}"]


@pytest.mark.parametrize("changes", [None, "close", [], [5], [add()] * 51])
def test_shapeless_changes_are_refused(trader: User, put: Position, changes: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        what_if(user=trader, changes=changes)
    assert all(name.startswith("changes") for name in caught.value.fields)


def test_position_is_changed_once(trader: User, put: Position) -> None:
    one = {"action": "close", "position_id": str(put.pk)}
    with pytest.raises(InvalidInput) as caught:
        asked(trader, one, one)
    assert list(caught.value.fields) == ["changes.1.position_id"]
