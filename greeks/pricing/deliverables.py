"""Adjusted options in terms of one share of the underlying.

At exercise one contract exchanges strike × multiplier for its deliverable, ``shares`` of the
underlying and ``cash``. So it is worth as much as ``shares`` options on one share with the strike
(strike × multiplier − cash) / shares, and its price per unit of the multiplier is price per share ×
shares / multiplier. An ordinary option delivers its multiplier, and nothing changes. Source: OCC,
"Interpretative Guidance on the Adjustment Policy".
"""

from __future__ import annotations

from typing import NamedTuple

from greeks.domain import Contract


class ShareTerms(NamedTuple):
    """Strike per share, shares per contract, and the factor of a price per share."""

    strike: float
    shares: float
    price_factor: float


def per_share(contract: Contract) -> ShareTerms | None:
    """Return an option's terms per share; ``None`` without a strike or a known deliverable.

    The strike is not above zero if the cash alone is worth the exercise.
    """
    delivered = contract.delivered
    if contract.strike is None or delivered is None or delivered.shares <= 0:
        return None
    multiplier, shares = float(contract.multiplier), float(delivered.shares)
    return ShareTerms(
        strike=(float(contract.strike) * multiplier - float(delivered.cash)) / shares,
        shares=shares,
        price_factor=multiplier / shares,
    )
