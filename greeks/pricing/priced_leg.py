"""Option legs with their quoted price and terms, as the models take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from numpy.typing import ArrayLike

from greeks.calendar.exchanges import exchange_of_currency
from greeks.domain import Contract, ExerciseStyle, InstrumentKind, Quote, Right
from greeks.instruments.expiry import SessionCloses, expiry_instant
from greeks.instruments.products import exercise_style
from greeks.maths.valuation import Legs
from greeks.pricing.deliverables import per_share
from greeks.pricing.dividends import KnownDividends, going_ex
from greeks.pricing.parity import Expiry, Forward, Pair, cash_dividends
from greeks.pricing.quotes import is_two_sided
from greeks.pricing.rates import risk_free_rate
from greeks.pricing.years import years_to
from greeks.underlyings import underlying_key

NO_DIVIDENDS: KnownDividends = {}
#: The contracts that share a forward: same underlying, instant, style and kind.
ExpiryKey = tuple[str, datetime, ExerciseStyle, bool]


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
    def expiry(self) -> ExpiryKey:
        """Key of the contracts that share a forward."""
        return underlying_key(self.contract), self.expires_at, self.style, self.is_future

    @property
    def model(self) -> str:
        american = self.style is ExerciseStyle.AMERICAN
        if self.is_future:
            return "american_without_carry" if american else "black_76"
        name = "american" if american else "black_scholes_merton"
        return f"{name}_cash_dividends" if self.dividends else name


Priced = tuple[PricedLeg, Forward]


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
    known = dividends.get(underlying_key(contract), ())
    exchange = exchange_of_currency(contract.currency) if known else None
    return PricedLeg(
        key=key,
        quote=quote,
        price=float(price) * terms.price_factor,
        price_kind=kind,
        strike=terms.strike,
        years=years_to(expires_at, at),
        expires_at=expires_at,
        style=ExerciseStyle(exercise_style(contract) or ExerciseStyle.AMERICAN),
        dividends=() if future else going_ex(known, exchange, at=at, until=expires_at),
    )


def _is_two_sided(quote: Quote) -> bool:
    if quote.bid is None or quote.ask is None:
        return False
    return bool(is_two_sided(float(quote.bid), float(quote.ask)))


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


def legs_of(priced: Sequence[Priced], *, volatility: ArrayLike) -> Legs:
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
