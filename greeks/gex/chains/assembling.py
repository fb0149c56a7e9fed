"""From the expiries of a chain to the engine's columns: time, volatility, forward, open interest.

=================  ============================================================================
what               rule
=================  ============================================================================
time               ACT/365 from the quotes to the settlement of the contract's own root, AM or
                   PM, at least fifteen minutes
volatility         the contract's own if plausible, else that of the strike's other side, else
                   the one that the mid of a two-sided quote implies, of either side
vendor's gamma     unknown where no plausible volatility could give it
rate, yield        the currency's rate; the yield that put-call parity at the money implies
spot               the newest that was sent, else what put-call parity gives for the nearest
                   expiry with both sides quoted at three strikes
left out           contracts that have expired, have no open interest, or are adjusted (the
                   root ends in a digit: their deliverable is not a hundred units)
=================  ============================================================================
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial

import numpy as np

from config.core.clock import market_clock_is_frozen, market_now
from config.core.errors import Unavailable
from greeks.calendar.exchanges import Exchange
from greeks.calendar.sessions import latest_session
from greeks.chains import Floats
from greeks.domain import Contract, InstrumentKind
from greeks.gex.chains.parts import ExpiryPart
from greeks.gex.engine.columns import ExposureColumns
from greeks.instruments.expiry import SessionCloses, expiry_instant, known_closes
from greeks.instruments.products import exercise_style
from greeks.maths.implied_volatility import implied_volatility
from greeks.polling.fill import (
    PLAUSIBLE,
    other_sides_volatility,
    parity_pairs,
    plausible_volatility,
    two_sided_mids,
)
from greeks.polling.terms import LAST_ROOT
from greeks.pricing.parity import Expiry, forwards
from greeks.pricing.years import years_to

#: The standard normal density at zero.
_DENSITY = 1.0 / math.sqrt(2.0 * math.pi)
# One or two strikes may have a bad quote, and nothing would tell.
_LEAST_PAIRS = 3
LEAST_YEARS = timedelta(minutes=15) / timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the contracts of an underlying share. ``rate`` is annual and continuous."""

    underlying: str
    currency: str
    exchange: Exchange
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assembled:
    """The columns with whose and when they are, and what was left out.

    ``as_of`` is that of the oldest part, ``open_interest_as_of`` the close the open interest is of.
    ``spot_by_parity``: no spot was sent, put-call parity gave it.
    """

    columns: ExposureColumns
    source: str
    as_of: datetime
    spot_by_parity: bool
    open_interest_as_of: date | None
    expired: int
    without_open_interest: int
    adjusted: int


def assemble(parts: Sequence[ExpiryPart], terms: Terms) -> Assembled:
    """Return the columns of all parts.

    Raises ``Unavailable`` without a part or anything that tells the spot, and if there is nothing
    to sum: no open interest, or neither a volatility nor a gamma of what is open.
    """
    dated = sorted(parts, key=lambda part: part.as_of)
    at = market_now() if market_clock_is_frozen() else dated[-1].as_of
    today = at.astimezone(terms.exchange.zone).date()
    ordered = sorted(parts, key=lambda part: part.expiry)
    instants = [_instants(part, terms) for part in ordered]
    years = [
        np.array([years_to(instant, at) for instant in of_part], dtype=np.float64)
        for of_part in instants
    ]
    sent = next((part.spot for part in reversed(dated) if part.spot is not None), None)
    spot = _parity_spot(ordered, years, terms) if sent is None else sent
    if spot is None:
        raise Unavailable(
            f"The chain of {terms.underlying} has no spot price, and no quotes that tell it."
        )
    yields = _yields(ordered, years, spot, terms)
    joined = partial(_joined, ordered)
    time, open_interest = np.concatenate(years), joined("open_interest")
    is_adjusted = np.array([_is_adjusted(root) for part in ordered for root in part.root], bool)
    alive, held = time > 0.0, open_interest > 0.0
    kept = np.flatnonzero(alive & held & ~is_adjusted)
    rates = np.full(time.size, terms.rate)
    carry = np.repeat(yields, [len(y) for y in years])
    volatility = np.concatenate([_volatility(part) for part in ordered])
    implied = _implied(ordered, volatility, spot, time, rates, carry)
    volatility = np.where(np.isfinite(volatility), volatility, implied)
    gamma = _plausible_gamma(joined("gamma"), spot, time)
    if not kept.size:
        raise Unavailable(f"No contract of {terms.underlying} that lives has open interest.")
    if not np.isfinite(volatility[kept]).any() and not np.isfinite(gamma[kept]).any():
        raise Unavailable(f"No contract of {terms.underlying} has a volatility or a gamma.")
    days = np.repeat([part.expiry.toordinal() for part in ordered], [len(y) for y in years])
    return Assembled(
        columns=ExposureColumns(
            spot=spot,
            at=at,
            today=today,
            strike=joined("strike")[kept],
            is_call=joined("is_call").astype(np.bool_)[kept],
            units=open_interest[kept],
            expiry=days[kept],
            years=np.maximum(time[kept], LEAST_YEARS),
            weekdays=_weekdays(today, ordered, years)[kept],
            rate=rates[kept],
            dividend_yield=carry[kept],
            volatility=volatility[kept],
            vendor_gamma=gamma[kept],
        ),
        source=ordered[0].source,
        as_of=dated[0].as_of,
        spot_by_parity=sent is None,
        open_interest_as_of=_open_interest_day(dated[-1], terms.exchange),
        expired=int(np.count_nonzero(~alive)),
        without_open_interest=int(np.count_nonzero(alive & np.isnan(open_interest))),
        adjusted=int(np.count_nonzero(alive & held & is_adjusted)),
    )


def _joined(parts: Sequence[ExpiryPart], name: str) -> Floats:
    return np.concatenate([getattr(part, name) for part in parts])


def _instants(part: ExpiryPart, terms: Terms) -> list[datetime]:
    """Return when each contract settles, by its own root."""
    contracts = {root: _contract(root, part.expiry, terms) for root in set(part.root)}
    closes = known_closes(contracts.values())
    found = {root: _instant(contract, closes) for root, contract in contracts.items()}
    return [found[root] for root in part.root]


def _contract(root: str, expiry: date, terms: Terms) -> Contract:
    # A key without a root stands for the chain, which ends with its last contract.
    root = root or LAST_ROOT.get(terms.underlying, terms.underlying)
    return Contract(
        kind=InstrumentKind.OPTION,
        symbol=root,
        underlying=terms.underlying,
        root=root,
        multiplier=Decimal(1),
        currency=terms.currency,
        expiry=expiry,
    )


def _instant(contract: Contract, closes: SessionCloses) -> datetime:
    # A contract with an expiry date always has an instant.
    return expiry_instant(contract, closes) or datetime.max.replace(tzinfo=UTC)


def _volatility(part: ExpiryPart) -> Floats:
    own = plausible_volatility(part.volatility)
    other = other_sides_volatility(part.strike, part.is_call, own)
    return np.where(np.isfinite(own), own, other)


def _implied(
    parts: Sequence[ExpiryPart],
    known: Floats,
    spot: float,
    years: Floats,
    rates: Floats,
    yields: Floats,
) -> Floats:
    """Return what two-sided quotes imply where no volatility is known: each contract's own, else
    that of the strike's other side, as deep in the money a price says nothing."""
    found = np.full(known.size, np.nan)
    strike, is_call = _joined(parts, "strike"), _joined(parts, "is_call").astype(np.bool_)
    mid = two_sided_mids(_joined(parts, "bid"), _joined(parts, "ask"))
    rows = np.flatnonzero(np.isnan(known) & np.isfinite(mid) & (years > 0.0))
    if not rows.size:
        return found
    found[rows] = plausible_volatility(
        implied_volatility(
            mid[rows], spot, strike[rows], np.maximum(years[rows], LEAST_YEARS), rates[rows],
            yields[rows], is_call[rows],
        )
    )  # fmt: skip
    ends = np.cumsum([len(part.strike) for part in parts])
    others = [
        other_sides_volatility(part.strike, part.is_call, found[end - len(part.strike) : end])
        for part, end in zip(parts, ends.tolist(), strict=True)
    ]
    return np.where(np.isfinite(found), found, np.concatenate(others))


def _plausible_gamma(gamma: Floats, spot: float, years: Floats) -> Floats:
    """Return the vendor's gammas, NaN where above the largest that any strike can have at the
    least plausible volatility: φ(0) / (S σ √T)."""
    largest = _DENSITY / (spot * PLAUSIBLE[0] * np.sqrt(np.maximum(years, LEAST_YEARS)))
    with np.errstate(invalid="ignore"):
        return np.where(gamma <= largest, gamma, np.nan)


def _yields(
    parts: Sequence[ExpiryPart], years: Sequence[Floats], spot: float, terms: Terms
) -> Floats:
    """Return each expiry's dividend yield by put-call parity; zero where no quote tells."""
    expiries: dict[object, Expiry] = {
        place: _quoted(part, time, spot, terms)
        for place, (part, time) in enumerate(zip(parts, years, strict=True))
        if time.max() > 0.0
    }
    found = forwards(expiries) if expiries else {}
    forward = [found.get(place) for place in range(len(parts))]
    return np.array([0.0 if each is None else each.dividend_yield for each in forward])


def _parity_spot(
    parts: Sequence[ExpiryPart], years: Sequence[Floats], terms: Terms
) -> float | None:
    """Return the spot that parity gives for the first expiry that has enough quotes.

    The nearest: what is not known of dividends and rates counts least there.
    """
    for part, time in zip(parts, years, strict=True):
        expiry = _quoted(part, time, None, terms)
        if time.max() > 0.0 and len(expiry.pairs) >= _LEAST_PAIRS:
            found = forwards({None: expiry})[None]
            if found is not None and part.strike.min() <= found.spot <= part.strike.max():
                return found.spot
    return None


def _quoted(part: ExpiryPart, years: Floats, spot: float | None, terms: Terms) -> Expiry:
    return Expiry(
        years=max(float(years.max()), LEAST_YEARS),
        rate=terms.rate,
        spot=spot,
        is_american=exercise_style(_contract("", part.expiry, terms)) != "european",
        pairs=parity_pairs(part.strike, part.is_call, two_sided_mids(part.bid, part.ask)),
    )


def _weekdays(
    today: date, parts: Sequence[ExpiryPart], years: Sequence[Floats]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    ends = np.array([part.expiry for part in parts], dtype="datetime64[D]")
    days = np.busday_count(np.datetime64(today, "D"), ends)
    return np.repeat(days, [len(each) for each in years]).astype(np.int64)


def _is_adjusted(root: str) -> bool:
    return root[-1:].isdigit()


def _open_interest_day(part: ExpiryPart, exchange: Exchange) -> date | None:
    """Return the close that the open interest is of.

    US clearing counts overnight: during a session, and until the next, it is that of the session
    before. NSE's moves with the market.
    """
    if not part.counts_contracts:
        return part.as_of.astimezone(exchange.zone).date()
    begun = latest_session(exchange.name, part.as_of)
    before = begun and latest_session(exchange.name, begun.opens_at - timedelta(seconds=1))
    return before.session_date if before else None
