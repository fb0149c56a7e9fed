"""Model inputs of an added leg: those of the held leg, or of the nearest held strike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from greeks.domain import InstrumentKind
from greeks.maths.valuation import Legs
from greeks.pricing.rates import risk_free_rate
from greeks.underlyings import share_key
from portfolio.exposure.columns import book_spots, leg_spots
from portfolio.risk.book import RiskBook
from portfolio.risk.legs import RiskLeg
from portfolio.risk.option_terms import option_terms
from portfolio.risk.what_if.changes import Added
from portfolio.risk.what_if.known_contracts import (
    KnownContract,
    Product,
    is_volatility,
    product_of_leg,
)


def currencies_of(added: Added, book: RiskBook) -> set[str]:
    """Return the currencies in which the underlying is held or its price known."""
    held = {leg.leg.currency for leg in book.legs if leg.leg.underlying == added.underlying}
    return held | {
        currency
        for key, currency in book.currencies.items()
        if key == share_key(added.underlying, currency)
    }


def currency_of(added: Added, book: RiskBook) -> str:
    """Return the given currency, else the only known one, else dollars."""
    known = currencies_of(added, book)
    return added.currency or (known.pop() if len(known) == 1 else "USD")


def usable_legs(product: Product, expiry: date | None, book: RiskBook) -> list[RiskLeg]:
    """Return the unexpired held legs of this product and expiry that have price and volatility."""
    return [
        leg
        for leg in book.legs
        if leg.leg.expiry == expiry
        and leg.deliverable_known
        and leg.expires_at is not None
        and leg.expires_at > book.at
        and None not in (leg.strike, leg.leg.price)
        and is_volatility(leg.implied_volatility)
        and product_of_leg(leg) == product
    ]


def nearest_held(added: Added, product: Product, book: RiskBook) -> RiskLeg | None:
    """Return the held leg itself, else the nearest strike held of the same product and expiry."""
    return min(
        usable_legs(product, added.expiry, book),
        key=lambda leg: (
            abs((leg.strike or 0.0) - (added.strike or 0.0)),
            leg.right != added.right,
        ),
        default=None,
    )


def held_terms(leg: RiskLeg, book: RiskBook) -> Legs:
    """Return the model inputs of a held leg, the same as in its scenarios."""
    spots = leg_spots([leg.leg], spots=book_spots(book.plain, book.spots))
    return option_terms([leg], spots, dividends=book.dividends, at=book.at)[0]


def unheld_terms(spot: float, kind: str, currency: str) -> Legs:
    """Return the inputs of an expiry of which nothing is held."""
    rate = risk_free_rate(currency).value
    return Legs.of(
        spot=spot,
        strike=np.nan,
        years=np.nan,
        rate=rate,
        # A future costs nothing to hold: the yield equals the rate, as in Black-76.
        dividend_yield=rate if kind == InstrumentKind.FUTURE_OPTION else 0.0,
        volatility=np.nan,
        is_call=True,
    )


def known_volatility(
    added: Added,
    near: RiskLeg | None,
    same: KnownContract | None,
    chain: Sequence[KnownContract],
) -> tuple[float | None, str | None]:
    """Return the added leg's volatility and its source, ``None`` if none is known."""
    if added.implied_volatility is not None:
        return added.implied_volatility, "given"
    if near is not None and (near.strike, near.right) == (added.strike, added.right):
        return near.implied_volatility, "position"
    if same is not None and same.implied_volatility is not None:
        return same.implied_volatility, "contract"
    strike = added.strike or 0.0
    known = [c for c in chain if c.implied_volatility is not None]
    if known and added.price is None:
        nearest = min(known, key=lambda c: (abs(c.strike - strike), c.right != added.right))
        return nearest.implied_volatility, "nearest_strike"
    return None, None
