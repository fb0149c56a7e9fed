"""Legs of adjusted options, whose Greeks count for the shares they deliver."""

from __future__ import annotations

from decimal import Decimal

from portfolio.exposure.columns import Leg


def of_deliverable(leg: Leg, shares: Decimal | None) -> Leg:
    """Return an adjusted option's leg per share delivered: multiplier, and price per share.

    Without a known number of shares it has no Greeks.
    """
    if shares is None or shares <= 0:
        return leg._replace(delta=None, gamma=None, theta=None, vega=None)
    price = None if leg.price is None else leg.price * leg.multiplier / float(shares)
    return leg._replace(multiplier=float(shares), price=price)
