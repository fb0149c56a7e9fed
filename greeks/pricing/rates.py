"""The risk-free rate of a currency."""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings


class RiskFreeRate(NamedTuple):
    """An annual, continuously compounded rate, and the setting that it comes from."""

    value: float
    source: str


def risk_free_rate(currency: str) -> RiskFreeRate:
    """Return the currency's own rate if one is set, else the one for all others."""
    own = settings.RISK_FREE_RATES.get(currency.upper())
    if own is not None:
        return RiskFreeRate(own, "RISK_FREE_RATES")
    return RiskFreeRate(settings.RISK_FREE_RATE, "RISK_FREE_RATE")
