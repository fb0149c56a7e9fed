"""Prices, betas and dividends belong to an instrument, never to a name."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from greeks.domain import InstrumentKind
from greeks.underlyings import history_name, key_of_terms
from portfolio.betas.reading import price_in_book
from portfolio.exposure.columns import BetaWeights, book_spots, leg_spots
from portfolio.risk.legs import RiskLeg
from portfolio.risk.scenarios.grid import without_beta
from portfolio.risk.scenarios.saved import shifted_pnl
from portfolio.risk.tables import concentration
from tests.portfolio.risk.legs import option_leg, ready, stock_leg

EXPIRY = date(2026, 12, 18)
AT = datetime(2026, 12, 18, 14, 30, tzinfo=UTC)
FUTURE: dict[str, Any] = {
    "instrument_type": "future",
    "underlying": "ES",
    "expiry": EXPIRY,
    "multiplier": 50.0,
}


def share() -> RiskLeg:
    return stock_leg(100.0, price=65.0, underlying="ES")


def future(**changes: Any) -> RiskLeg:
    values = FUTURE | {"price": 7000.0} | changes
    return stock_leg(1.0, **values)._replace(id="future")


def put_on_future(**changes: Any) -> RiskLeg:
    values: dict[str, Any] = {
        "instrument_type": "future_option", "underlying": "ES", "multiplier": 50.0,
        "underlying_price": 7000.0, "expiry": EXPIRY,
    } | changes  # fmt: skip
    leg = option_leg(strike=7000.0, right="P", quantity=-1.0, price=120.0, iv=0.17, **values)
    return leg._replace(expires_at=AT, id="put")


@pytest.mark.parametrize("vendor_price", [7000.0, None])
def test_share_and_future_of_one_name_have_their_own_prices(vendor_price: float | None) -> None:
    legs = [share(), future(), put_on_future(underlying_price=vendor_price)]
    assert leg_spots([leg.leg for leg in legs]).tolist() == [65.0, 7000.0, 7000.0]
    book = ready(*legs, spots={"stock:ES:USD": 64.0})
    pnl = dict(
        zip([leg.id for leg in book.legs], book.pnl([0.8], [0.0], [0])[0, 0, 0], strict=True)
    )
    assert pnl["put"] == pytest.approx(-64_000, rel=0.02)
    assert pnl["future"] == pytest.approx(-70_000)
    assert pnl["stock"] == pytest.approx(-1_300)


def test_two_months_of_a_future_have_their_own_prices() -> None:
    later = future(expiry=date(2027, 3, 19), price=7070.0)
    stored = "future:ES:20270319:50:USD"
    weekly = put_on_future(underlying_price=None, expiry=date(2027, 1, 8), stored_key=stored)
    unknown = put_on_future(underlying_price=None, expiry=date(2027, 1, 15))
    legs = [future().leg, later.leg, weekly.leg, unknown.leg]
    assert leg_spots(legs)[:3].tolist() == [7000.0, 7070.0, 7070.0]
    # Nothing says which month the last one delivers.
    assert book_spots(legs, {}).get(unknown.leg.underlying_key) is None


def test_same_symbol_in_two_currencies_is_two_underlyings() -> None:
    euros = option_leg(underlying="X", currency="EUR", underlying_price=None)
    dollars = stock_leg(price=100.0, underlying="X")
    book = ready(euros, dollars, rates={"EUR": 1.1}, spots={"stock:X:EUR": 90.0})
    assert sorted(book.spots) == [90.0, 100.0]
    assert [each.reason for each in ready(euros, dollars, rates={"EUR": 1.1}).left_out] == [
        "no price of the underlying"
    ]


def test_dividends_of_a_share_are_not_those_of_the_future_of_its_name() -> None:
    paying = {"stock:ES:USD": ((date(2026, 12, 1), 1.0),)}
    assert ready(put_on_future(), dividends=paying).options.dividends is None


def test_beta_of_a_share_is_not_that_of_the_future_of_its_name() -> None:
    weights = BetaWeights("SPY", 600.0, {"/ES": 1.0})
    legs = [share(), future(), put_on_future(), stock_leg(underlying="/ES", currency="USD")]
    assert [each.leg.id for each in without_beta(legs, weights)] == ["stock"]


def test_benchmark_named_as_a_future_is_priced_at_its_nearest_month() -> None:
    later = future(expiry=date(2027, 3, 19), price=7070.0)
    found = price_in_book([share().leg, later.leg, future().leg], "/ES")
    assert found is not None
    assert found.price == 7000.0


@pytest.mark.parametrize(
    ("kind", "underlying", "currency", "name"),
    [
        ("future", "/ESZ6", "USD", "/ES"), ("future", "ES", "USD", "/ES"),
        ("future_option", "/MNQH26", "USD", "/MNQ"), ("future", "/ES", "USD", "/ES"),
        ("stock", "AAPL", "USD", "AAPL"), ("option", "ES", "USD", "ES"),
        ("stock", "Z", "GBP", "Z:GBP"), ("future", "/ESTX50", "EUR", "/ESTX50"),
        ("future", "/OMXH25", "EUR", "/OMXH25"), ("future", "/GCZ26", "USD", "/GC"),
    ],
)  # fmt: skip
def test_name_of_a_history_follows_the_instrument(
    kind: str, underlying: str, currency: str, name: str
) -> None:
    assert history_name(kind=kind, underlying=underlying, currency=currency) == name


@pytest.mark.parametrize(
    ("kind", "underlying", "currency", "key"),
    [
        (InstrumentKind.OPTION, "SPX", "USD", "index:SPX:USD"),
        (InstrumentKind.OPTION, "DAX", "EUR", "index:DAX:EUR"),
        (InstrumentKind.OPTION, "DAX", "USD", "stock:DAX:USD"),
        (InstrumentKind.OPTION, "N225", "JPY", "index:N225:JPY"),
        (InstrumentKind.OPTION, "BRK/B", "USD", "stock:BRKB:USD"),
        (InstrumentKind.STOCK, "BRK.B", "USD", "stock:BRKB:USD"),
        (InstrumentKind.FUTURE, "/ES", "USD", "future:ES:20261218:50:USD"),
        (InstrumentKind.FUTURE_OPTION, "/ESZ6", "USD", "future:ESZ6:USD"),
        (InstrumentKind.FUTURE_OPTION, "ES", "USD", "future:ES:20261218:50:USD"),
    ],
)
def test_key_is_that_of_the_instrument_referred_to(
    kind: InstrumentKind, underlying: str, currency: str, key: str
) -> None:
    dated = kind in (InstrumentKind.FUTURE, InstrumentKind.FUTURE_OPTION)
    found = key_of_terms(
        kind=kind.value, underlying=underlying, currency=currency,
        expiry=EXPIRY if dated else None, multiplier=50.0,
    )  # fmt: skip
    assert found == key


def test_saved_shift_moves_the_instrument_it_names_and_no_namesake() -> None:
    book = ready(share(), future(), put_on_future())
    moved = shifted_pnl(book, [{"underlying": "ES", "spot": -20.0}], days=0)
    pnl = dict(zip([leg.id for leg in book.legs], moved, strict=True))
    assert pnl["stock"] == pytest.approx(-1_300)
    assert (pnl["future"], pnl["put"]) == (0.0, 0.0)
    moved = shifted_pnl(book, [{"underlying": "/ES", "spot": -20.0}], days=0)
    pnl = dict(zip([leg.id for leg in book.legs], moved, strict=True))
    assert pnl["stock"] == 0.0
    assert pnl["future"] == pytest.approx(-70_000)


def test_saved_shift_of_a_plain_symbol_moves_the_share_abroad_that_alone_has_it() -> None:
    book = ready(stock_leg(10.0, underlying="X", currency="EUR", price=90.0), rates={"EUR": 1.1})
    assert shifted_pnl(book, [{"underlying": "X", "spot": -10.0}], days=0).tolist() == [
        pytest.approx(-99.0)
    ]


def test_saved_shift_of_a_month_moves_it_at_every_broker_and_no_other_month() -> None:
    month = "future:ES:20261218:50:USD"
    tastytrade = put_on_future(underlying="/ESZ6", stored_key=month)
    book = ready(
        future()._replace(id="ibkr"),
        put_on_future(stored_key=month)._replace(id="ibkr put"),
        tastytrade._replace(id="tastytrade put"),
        future(expiry=date(2027, 3, 19), price=7070.0)._replace(id="later"),
    )
    moved = shifted_pnl(book, [{"underlying": "/ESZ6", "spot": -20.0}], days=0)
    pnl = dict(zip([leg.id for leg in book.legs], moved, strict=True))
    assert (pnl["ibkr"], pnl["later"]) == (pytest.approx(-70_000), 0.0)
    assert pnl["ibkr put"] == pytest.approx(pnl["tastytrade put"])
    assert pnl["ibkr put"] < -60_000


def test_concentration_tells_a_share_from_the_future_of_its_name() -> None:
    legs = [share(), future(), put_on_future()]
    columns = {"dollar_delta": np.array([6500.0, 350_000.0, 160_000.0])}
    columns["market_value"] = np.array([6500.0, 350_000.0, 6000.0])
    rows = {row["underlying"]: row for row in concentration(legs, columns)}
    assert set(rows) == {"ES", "/ES"}
    assert rows["ES"]["gross_dollar_delta_share"] == pytest.approx(6500 / 516_500)
