"""Options priced at what exercise brings: no volatility of their own, and Greeks all the same."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from greeks.domain import Contract, Deliverable, InstrumentKind, Quote, Right
from greeks.instruments.expiry import expiry_instant
from greeks.maths import american
from greeks.pricing.model import ModelGreeks, model_greeks
from greeks.pricing.time_value import from_neighbours
from greeks.pricing.years import years_to
from greeks.underlyings import underlying_key
from tests.greeks.pricing.test_model_greeks import AT, EXPIRY, RATE, SPOT, contract, quote

# Two months at 4 %: what a European option is worth exercised at expiry, a share of it now.
DISCOUNT = math.exp(-RATE * 56 / 365)


@pytest.fixture(autouse=True)
def rate(settings: Any) -> None:
    settings.RISK_FREE_RATE = RATE
    settings.RISK_FREE_RATES = {}


def solved(quotes: dict[str, Quote], spot: float = SPOT) -> dict[str, ModelGreeks]:
    key = underlying_key(quotes["leg"].contract)
    return model_greeks(wanted=["leg"], quotes=quotes, spots={key: spot}, at=AT)


def marked(described: Contract, price: float) -> dict[str, Quote]:
    return {"leg": Quote(contract=described, source="ibkr", as_of=AT, mark=Decimal(repr(price)))}


def index(root: str) -> Contract:
    return replace(contract(900.0, Right.PUT), underlying="SPX", root=root)


FUTURE = replace(
    contract(900.0, Right.PUT, date(2027, 3, 19)),
    kind=InstrumentKind.FUTURE_OPTION,
    underlying="/ESH7",
    root="ES",
)
ADJUSTED = replace(
    contract(90.0, Right.PUT), root="SPY1", deliverable=Deliverable(shares=Decimal(10))
)
FOREIGN = replace(contract(900.0, Right.PUT), underlying="SAP", root="SAP", currency="EUR")


@pytest.mark.parametrize(
    ("described", "price", "delta"),
    [
        pytest.param(contract(900.0, Right.PUT), 300.0, -1.0, id="share"),
        pytest.param(contract(900.0, Right.PUT), 299.85, -1.0, id="share, below by the spread"),
        pytest.param(index("SPX"), 900.0 * DISCOUNT - SPOT, -1.0, id="index AM"),
        pytest.param(index("SPXW"), 900.0 * DISCOUNT - SPOT - 0.1, -1.0, id="index PM"),
        pytest.param(FUTURE, 300.0, -1.0, id="option on a future"),
        pytest.param(ADJUSTED, 30.0, -1.0, id="adjusted: ten shares at 900"),
        pytest.param(FOREIGN, 300.0, -1.0, id="foreign"),
        pytest.param(contract(300.0, Right.CALL), 301.5, 1.0, id="call worth its carry"),
    ],
)
def test_a_price_of_nothing_but_intrinsic_value_has_the_greeks_of_the_underlying(
    described: Contract, price: float, delta: float
) -> None:
    found = solved(marked(described, price))["leg"]
    assert found.greeks.delta == pytest.approx(delta, abs=1e-9)
    assert (found.greeks.gamma, found.greeks.vega) == (0.0, 0.0)
    assert found.greeks.theta == pytest.approx(0.0, abs=0.11)
    assert found.greeks.implied_volatility is None
    assert (found.inputs["volatility"], found.inputs["volatility_source"]) == (0.0, "intrinsic")


def test_the_nearest_strike_with_a_volatility_lends_its_own() -> None:
    """A price that lags its spot holds no time value near the money: delta is not 1 there."""
    quotes = marked(contract(610.0, Right.PUT), 10.0)
    quotes |= {"near": quote(600.0, Right.PUT), "far": quote(500.0, Right.PUT)}
    found = solved(quotes)["leg"]
    expires_at = expiry_instant(contract(610.0, Right.PUT))
    assert expires_at is not None
    assert found.greeks.delta is not None
    assert found.greeks.gamma is not None
    expected = american.all_greeks(
        SPOT, 610.0, years_to(expires_at, AT), RATE,
        found.inputs["dividend_yield"], found.inputs["volatility"], False,
    )  # fmt: skip
    assert found.inputs["volatility_source"] == "neighbour"
    assert 0.17 < found.inputs["volatility"] < 0.23
    assert found.greeks.delta == pytest.approx(float(expected.delta))
    assert -0.75 < found.greeks.delta < -0.45
    assert found.greeks.gamma > 0
    assert found.greeks.implied_volatility is None


def test_another_expiry_lends_nothing() -> None:
    quotes = marked(contract(900.0, Right.PUT), 300.0)
    quotes["later"] = quote(900.0, Right.PUT, expiry=date(2027, 6, 18))
    assert solved(quotes)["leg"].inputs["volatility_source"] == "intrinsic"


@pytest.mark.parametrize(
    ("described", "price"),
    [(contract(600.0, Right.CALL), 640.0), (contract(600.0, Right.PUT), 640.0)],
)
def test_an_impossible_price_still_has_no_greeks(described: Contract, price: float) -> None:
    assert solved(marked(described, price) | {"near": quote(600.0, Right.CALL)}) == {}


def test_neighbours_lend_within_an_expiry_to_what_has_none() -> None:
    volatility = np.array([0.2, np.nan, 0.3, np.nan, np.nan])
    strikes = np.array([100.0, 118.0, 120.0, 90.0, 100.0])
    filled = from_neighbours(volatility, strikes, [EXPIRY, EXPIRY, EXPIRY, EXPIRY, None])
    assert filled.tolist()[:4] == [0.2, 0.3, 0.3, 0.2]
    assert math.isnan(filled[4])
