"""The price of an option after its underlying moved on from its last quote.

From that price on, by what the model says the move and the time since are worth: ``price + (model
now - model then)``, at the volatility known then. So an error of the model's level cancels, and
where the option's next own price comes there is no step. Never below zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from greeks.domain import Quote
from greeks.instruments.expiry import NO_CLOSES, SessionCloses
from greeks.maths import valuation
from greeks.pricing.dividends import KnownDividends
from greeks.pricing.parity import Forward, forwards
from greeks.pricing.priced_leg import NO_DIVIDENDS, PricedLeg, expiry_of, leg_of, legs_of


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedOption:
    """An option's last own ``quote``, the volatility and the spot of then, and the spot now."""

    quote: Quote
    volatility: float
    spot: float
    moved_to: float


def moved_prices(
    options: Mapping[str, MovedOption],
    *,
    at: datetime,
    closes: SessionCloses = NO_CLOSES,
    dividends: KnownDividends = NO_DIVIDENDS,
) -> dict[str, float]:
    """Return prices at ``at`` by key, as quoted. Two vectorised passes.

    Absent: an option that has expired, has no price, terms or volatility, or that the model cannot
    value.
    """
    then = _legs(options, closes, dividends, at=None)
    now = _legs(options, closes, dividends, at=at)
    names = sorted(then.keys() & now.keys())
    if not names:
        return {}
    volatility = [options[name].volatility for name in names]
    before = valuation.value(legs_of([then[name] for name in names], volatility=volatility))
    after = valuation.value(legs_of([now[name] for name in names], volatility=volatility))
    found = {}
    for name, change in zip(names, (after - before).tolist(), strict=True):
        leg, price = then[name][0], float(options[name].quote.price or 0)
        # Of an adjusted option the model's price is of one share it delivers.
        moved = price + change * price / leg.price
        if math.isfinite(moved):
            found[name] = max(0.0, moved)
    return found


def _legs(
    options: Mapping[str, MovedOption],
    closes: SessionCloses,
    dividends: KnownDividends,
    *,
    at: datetime | None,
) -> dict[str, tuple[PricedLeg, Forward]]:
    """Return legs and forwards at ``at``, or at each option's own quote."""
    legs = {
        name: leg
        for name, option in options.items()
        if option.volatility > 0
        and (
            leg := leg_of(name, _priced(option.quote), at or option.quote.as_of, closes, dividends)
        )
    }
    found = forwards(
        {
            name: expiry_of(leg, options[name].spot if at is None else options[name].moved_to)
            for name, leg in legs.items()
        }
    )
    return {
        name: (leg, forward) for name, leg in legs.items() if (forward := found[name]) is not None
    }


def _priced(quote: Quote) -> Quote:
    """Return the quote with the price that values a position as its only one."""
    return Quote(contract=quote.contract, source=quote.source, as_of=quote.as_of, mark=quote.price)
