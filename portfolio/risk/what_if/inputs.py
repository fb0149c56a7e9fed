"""Model inputs of an added leg: those of the held leg, or of the nearest held strike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from greeks.domain import InstrumentKind
from greeks.maths.valuation import Legs
from greeks.pricing.rates import risk_free_rate
from portfolio.exposure.columns import leg_spots, underlying_prices
from portfolio.risk.book import RiskBook
from portfolio.risk.legs import RiskLeg
from portfolio.risk.option_terms import option_terms
from portfolio.risk.what_if.changes import Added
from portfolio.risk.what_if.known_contracts import KnownContract


def nearest_held(added: Added, kind: str, book: RiskBook) -> RiskLeg | None:
    """Return the held leg itself, else the nearest strike held of the same expiry."""
    held = [
        leg
        for leg in book.legs
        if leg.leg.instrument_type == kind
        and (leg.leg.underlying, leg.leg.expiry) == (added.underlying, added.expiry)
        and leg.expires_at is not None
        and leg.expires_at > book.at
        and None not in (leg.strike, leg.leg.price, leg.implied_volatility)
    ]
    return min(
        held,
        key=lambda leg: (
            abs((leg.strike or 0.0) - (added.strike or 0.0)),
            leg.right != added.right,
        ),
        default=None,
    )


def held_terms(leg: RiskLeg, book: RiskBook) -> Legs:
    """Return the model inputs of a held leg, the same as in its scenarios."""
    spots = leg_spots([leg.leg], spots=dict(underlying_prices(book.plain)) | dict(book.spots))
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
