"""The risk-free rate of each currency, wherever a rate is used."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from greeks.domain import Right
from greeks.models import PolledInstrument
from greeks.polling.terms import chain_rate
from greeks.pricing.model import model_greeks
from greeks.pricing.rates import risk_free_rate
from portfolio.risk.option_terms import option_terms
from tests.greeks.pricing.test_model_greeks import AT, SPOT, quote
from tests.portfolio.risk.legs import AT as BOOK_AT
from tests.portfolio.risk.legs import option_leg


@pytest.fixture(autouse=True)
def _rates(settings: Any) -> None:
    settings.RISK_FREE_RATE = 0.04
    settings.RISK_FREE_RATES = {"EUR": 0.02, "INR": 0.065}


def test_currency_has_its_own_rate_and_the_others_the_general_one() -> None:
    assert risk_free_rate("eur") == (0.02, "RISK_FREE_RATES")
    assert risk_free_rate("USD") == (0.04, "RISK_FREE_RATE")


def test_our_greeks_use_and_record_the_rate_of_the_currency() -> None:
    dollars = quote(600.0, Right.CALL)
    euros = quote(600.0, Right.CALL, contract=replace(dollars.contract, currency="EUR"))
    for each, rate, source in (
        (dollars, 0.04, "RISK_FREE_RATE"),
        (euros, 0.02, "RISK_FREE_RATES"),
    ):
        found = model_greeks(
            wanted=["C"],
            quotes={"C": each},
            spots={"stock:SPY:USD": SPOT, "stock:SPY:EUR": SPOT},
            at=AT,
        )["C"]
        assert (found.inputs["rate"], found.inputs["rate_source"]) == (rate, source)
        growth = np.exp(rate * found.inputs["years"])
        assert found.inputs["forward"] == pytest.approx(SPOT * growth, rel=1e-9)


def test_scenarios_use_the_rate_of_each_legs_currency() -> None:
    legs = [
        option_leg(),
        option_leg(currency="EUR"),
        option_leg(currency="INR", instrument_type="future_option"),
    ]
    terms, _ = option_terms(legs, np.full(3, 600.0), dividends={}, at=BOOK_AT)
    assert terms.rate.tolist() == [0.04, 0.02, 0.065]
    assert terms.dividend_yield[2] == 0.065


def test_polled_chain_uses_its_own_rate_else_its_currencys() -> None:
    assert chain_rate(PolledInstrument(currency="INR")) == 0.065
    assert chain_rate(PolledInstrument(currency="INR", rate=0.07)) == 0.07
