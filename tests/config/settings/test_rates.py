"""Risk-free rates by currency, as an operator writes them."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.settings.rates import rates_by_currency


def test_rates_are_read_by_currency() -> None:
    assert rates_by_currency(["eur=0.02", " INR = 0.065", "CHF=-0.005"]) == {
        "EUR": 0.02,
        "INR": 0.065,
        "CHF": -0.005,
    }


@pytest.mark.parametrize("row", ["EUR", "EUR=", "EUR=two", "EUR=nan", "INR=6.5", "=0.02", "€=0.02"])
def test_row_that_is_no_rate_is_refused_by_name(row: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="RISK_FREE_RATES"):
        rates_by_currency([row])
