"""Our own Greeks from the quote, for contracts no vendor computed.

Each contract is priced by the model of its kind, at the implied volatility of its own price (mid
of a two-sided quote, else the mark):

===========================  ======================================================================
contract                     model
===========================  ======================================================================
European (index roots, NSE)  ``black_scholes_merton``
American (US shares, ETFs)   ``american``: Andersen-Lake-Offengenden
European option on a future  ``black_76``, on the futures price
American option on a future  ``american_without_carry``: the same with early exercise
with known cash dividends    the same, ``…_cash_dividends``: the escrowed model
===========================  ======================================================================

An adjusted option is priced per share it delivers (:mod:`greeks.pricing.deliverables`); without a
known deliverable it has no Greeks. Time to expiry is ACT/365 to the instant of expiry, on the
market clock; the forward of an expiry comes from :mod:`greeks.pricing.parity`. The inputs are
recorded with each result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from numpy.typing import ArrayLike

from greeks.calendar.exchanges import exchange_of_currency
from greeks.domain import (
    Contract,
    ExerciseStyle,
    Greeks,
    GreeksSource,
    InstrumentKind,
    Quote,
    Right,
)
from greeks.instruments.expiry import NO_CLOSES, SessionCloses, expiry_instant
from greeks.instruments.products import exercise_style
from greeks.maths import valuation
from greeks.maths.valuation import Legs
from greeks.pricing.deliverables import per_share
from greeks.pricing.dividends import KnownDividends
from greeks.pricing.parity import Expiry, Forward, Pair, cash_dividends, forwards
from greeks.pricing.quotes import is_two_sided
from greeks.pricing.rates import risk_free_rate
from greeks.underlyings import underlying_key

SECONDS_A_YEAR = 365 * 86_400
NO_DIVIDENDS: KnownDividends = {}
#: The contracts that share a forward: same underlying, instant, style and kind.
_Expiry = tuple[str, datetime, ExerciseStyle, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelGreeks:
    """Greeks of the model with the inputs they were computed from (``inputs``, as stored)."""

    greeks: Greeks
    inputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedLeg:
    """An option with its price, as the models take it."""

    key: str
    quote: Quote
    #: Per unit of the underlying, as is the strike.
    price: float
    price_kind: str
    strike: float
    years: float
    expires_at: datetime
    style: ExerciseStyle
    dividends: tuple[tuple[float, float], ...]

    @property
    def contract(self) -> Contract:
        return self.quote.contract

    @property
    def is_future(self) -> bool:
        return self.contract.kind is InstrumentKind.FUTURE_OPTION

    @property
    def expiry(self) -> _Expiry:
        """Key of the contracts that share a forward."""
        return underlying_key(self.contract), self.expires_at, self.style, self.is_future

    @property
    def model(self) -> str:
        american = self.style is ExerciseStyle.AMERICAN
        if self.is_future:
            return "american_without_carry" if american else "black_76"
        name = "american" if american else "black_scholes_merton"
        return f"{name}_cash_dividends" if self.dividends else name


def years_to(expires_at: datetime, at: datetime) -> float:
    """Return ACT/365, never below 0."""
    return max(0.0, (expires_at - at).total_seconds() / SECONDS_A_YEAR)


def model_greeks(
    *,
    wanted: Iterable[str],
    quotes: Mapping[str, Quote],
    spots: Mapping[str, float],
    at: datetime,
    closes: SessionCloses = NO_CLOSES,
    dividends: KnownDividends = NO_DIVIDENDS,
) -> dict[str, ModelGreeks]:
    """Return Greeks of the ``wanted`` options by key, from ``quotes`` by key.

    ``quotes`` may hold more contracts than wanted: parity uses them. ``spots`` are prices by
    ``underlying_key`` (of futures for their options), ``closes`` session ends (``known_closes``),
    ``dividends`` the coming ones (``known_dividends``). A contract is absent from the result if it
    has expired, has no usable price, or its price does not determine a volatility.
    """
    legs = {
        key: leg
        for key, quote in quotes.items()
        if (leg := leg_of(key, quote, at, closes, dividends))
    }
    chosen = [legs[key] for key in wanted if key in legs]
    if not chosen:
        return {}
    pairs = _parity_pairs(legs.values())
    found = forwards(
        {
            leg.expiry: expiry_of(
                leg, spots.get(underlying_key(leg.contract)), pairs.get(leg.expiry, ())
            )
            for leg in chosen
        }
    )
    priced = [(leg, forward) for leg in chosen if (forward := found[leg.expiry]) is not None]
    return _solve(priced) if priced else {}


def leg_of(
    key: str, quote: Quote, at: datetime, closes: SessionCloses, dividends: KnownDividends
) -> PricedLeg | None:
    """Return the quoted option at an instant; ``None`` if expired, without a price or terms."""
    contract = quote.contract
    terms = per_share(contract) if contract.is_option else None
    if terms is None or terms.strike <= 0:
        return None
    expires_at = expiry_instant(contract, closes)
    mark = None if quote.is_mark_outside else quote.mark
    price, kind = (quote.mid, "mid") if _is_two_sided(quote) else (mark, "mark")
    if expires_at is None or expires_at <= at or price is None or price <= 0:
        return None
    future = contract.kind is InstrumentKind.FUTURE_OPTION
    return PricedLeg(
        key=key,
        quote=quote,
        price=float(price) * terms.price_factor,
        price_kind=kind,
        strike=terms.strike,
        years=years_to(expires_at, at),
        expires_at=expires_at,
        style=ExerciseStyle(exercise_style(contract) or ExerciseStyle.AMERICAN),
        dividends=() if future else _dividends(contract, at, expires_at, dividends),
    )


def _is_two_sided(quote: Quote) -> bool:
    if quote.bid is None or quote.ask is None:
        return False
    return bool(is_two_sided(float(quote.bid), float(quote.ask)))


def _dividends(
    contract: Contract, at: datetime, expires_at: datetime, dividends: KnownDividends
) -> tuple[tuple[float, float], ...]:
    """Return years until the opening of each ex-date before expiry, and amounts."""
    known = dividends.get(underlying_key(contract), ())
    exchange = exchange_of_currency(contract.currency)
    if not known or exchange is None:
        return ()
    openings = [
        (datetime.combine(day, exchange.opens, tzinfo=exchange.zone), amount)
        for day, amount in known
    ]
    return tuple((years_to(ex, at), amount) for ex, amount in openings if at < ex <= expires_at)


def _parity_pairs(
    legs: Iterable[PricedLeg],
) -> dict[_Expiry, tuple[Pair, ...]]:
    """By expiry: strikes with a two-sided quote for both call and put."""
    mids: dict[_Expiry, dict[float, dict[Right, float]]] = {}
    for leg in legs:
        contract = leg.contract
        if leg.price_kind == "mid" and contract.right:
            strikes = mids.setdefault(leg.expiry, {})
            strikes.setdefault(leg.strike, {})[contract.right] = leg.price
    return {
        expiry: tuple(
            Pair(strike=strike, call=sides[Right.CALL], put=sides[Right.PUT])
            for strike, sides in strikes.items()
            if len(sides) == 2
        )
        for expiry, strikes in mids.items()
    }


def expiry_of(leg: PricedLeg, spot: float | None, pairs: tuple[Pair, ...] = ()) -> Expiry:
    """Return what determines the leg's forward."""
    return Expiry(
        years=leg.years,
        rate=risk_free_rate(leg.contract.currency).value,
        spot=spot,
        is_american=leg.style is ExerciseStyle.AMERICAN,
        is_future=leg.is_future,
        dividends=leg.dividends,
        pairs=pairs,
    )


def legs_of(priced: Sequence[tuple[PricedLeg, Forward]], *, volatility: ArrayLike) -> Legs:
    """Return the legs with their forwards, as arrays."""
    return Legs.of(
        spot=[forward.spot for _, forward in priced],
        strike=[leg.strike for leg, _ in priced],
        years=[leg.years for leg, _ in priced],
        rate=[risk_free_rate(leg.contract.currency).value for leg, _ in priced],
        dividend_yield=[forward.dividend_yield for _, forward in priced],
        volatility=volatility,
        is_call=[leg.contract.right is Right.CALL for leg, _ in priced],
        is_american=[leg.style is ExerciseStyle.AMERICAN for leg, _ in priced],
        dividends=cash_dividends([forward.dividends for _, forward in priced]),
    )


def _solve(priced: list[tuple[PricedLeg, Forward]]) -> dict[str, ModelGreeks]:
    price = [leg.price for leg, _ in priced]
    rates = [risk_free_rate(leg.contract.currency) for leg, _ in priced]
    legs = legs_of(priced, volatility=0.0)
    solved = legs.with_volatility(valuation.implied_volatilities(price, legs))
    values = valuation.greeks(solved)
    results: dict[str, ModelGreeks] = {}
    for index, (leg, forward) in enumerate(priced):
        volatility = float(solved.volatility[index])
        delta, gamma, theta, vega = (float(values[column][index]) for column in range(1, 5))
        if not all(math.isfinite(number) for number in (delta, gamma, theta, vega, volatility)):
            continue
        results[leg.key] = ModelGreeks(
            greeks=Greeks(
                source=GreeksSource.MODEL.value,
                as_of=leg.quote.as_of,
                delta=delta,
                gamma=gamma,
                theta=theta,
                vega=vega,
                implied_volatility=volatility,
                underlying_price=forward.spot,
            ),
            inputs={
                "model": leg.model,
                "years": leg.years,
                "expires_at": leg.expires_at.isoformat(),
                "price": leg.price,
                "price_kind": leg.price_kind,
                "price_source": leg.quote.source,
                "spot": forward.spot,
                "forward": forward.forward,
                "forward_source": forward.source,
                "rate": rates[index].value,
                "rate_source": rates[index].source,
                "dividend_yield": forward.dividend_yield,
                "dividends": [list(each) for each in forward.dividends],
            },
        )
    return results
