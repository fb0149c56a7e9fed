"""The book for risk: legs with their terms, rates, betas, prices and account money.

Takes at most six queries for any number of accounts, legs and underlyings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from config.core.clock import market_now
from config.core.errors import InvalidInput, NotFound
from greeks.domain import Contract, Deliverable, InstrumentKind
from greeks.instruments.expiry import expiry_instant
from greeks.pricing.deliverables import per_share
from greeks.pricing.dividends import KnownDividends, known_dividends
from portfolio.accounts.access import account_for_user, accounts_visible_to, portfolios_visible_to
from portfolio.accounts.days import local_date
from portfolio.amounts import as_float
from portfolio.betas.reading import (
    KnownBeta,
    KnownPrice,
    close_as_price,
    daily_closes,
    end_of,
    known_betas,
    known_prices,
    price_in_book,
    price_of_benchmark,
    weights_of,
)
from portfolio.betas.returns import regressed_beta
from portfolio.book.reading import money_of
from portfolio.book.rows import ADJUSTMENT, leg_of
from portfolio.exposure.columns import BetaWeights, Leg, Money, sum_accounts
from portfolio.exposure.currencies import rates_into, totals_currency
from portfolio.models import Account, Portfolio, Position
from portfolio.risk.legs import RiskLeg

_COLUMNS = (
    "id", "account_id", "symbol", "instrument_type", "underlying", "expiry", "strike", "right",
    "quantity", "multiplier", "currency", "price", "market_value", "unrealized_pnl",
    "daily_change", "delta_raw", "gamma_raw", "theta_raw", "vega_raw", "iv_raw",
    "underlying_price", "greeks_source", "instrument__expires_at", "instrument__exercise_style",
    "instrument__underlying_key", "instrument__root", *ADJUSTMENT,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The requested accounts, all visible to the user, and the portfolios to show."""

    accounts: tuple[Account, ...]
    portfolios: tuple[Portfolio, ...]

    @property
    def version(self) -> int:
        return sum(account.book_version for account in self.accounts)

    @property
    def as_of(self) -> datetime | None:
        """When the freshest account was synced."""
        return max((a.last_synced_at for a in self.accounts if a.last_synced_at), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskBook:
    """A selection's legs and everything needed to total and revalue them, in one currency.

    ``spots`` are last prices by ``underlying_key``. ``currencies`` has the currency of each price
    there and of each leg's underlying.
    """

    legs: tuple[RiskLeg, ...]
    currency: str
    rates: Mapping[str, float]
    spots: Mapping[str, float]
    currencies: Mapping[str, str]
    weights: BetaWeights
    betas: Mapping[str, KnownBeta]
    benchmark_price: KnownPrice | None
    closes: Mapping[str, Mapping[date, float]]
    dividends: KnownDividends
    accounts: Mapping[str, Money]
    at: datetime

    @property
    def plain(self) -> tuple[Leg, ...]:
        return tuple(each.leg for each in self.legs)

    @property
    def unconverted(self) -> list[str]:
        """Currencies without a rate; their money is in no total."""
        named = {leg.leg.currency for leg in self.legs}
        named |= {money.currency for money in self.accounts.values()}
        return sorted(name for name in named if name != self.currency and name not in self.rates)

    def money(self, field: str, account_ids: Sequence[str] | None = None) -> Decimal | None:
        """``net_liquidation`` or ``maint_margin`` of these (or all) accounts, in the book's
        currency."""
        chosen = self.accounts if account_ids is None else account_ids
        return sum_accounts(
            [self.accounts[name] for name in chosen],
            field,
            currency=self.currency,
            rates=self.rates,
        )


def select_accounts(
    *, user: User | AnonymousUser, account_id: str | None = None, portfolio_id: int | None = None
) -> Selection:
    """Return a request's accounts: one, a portfolio's that the user may see, or all.

    Raises:
        InvalidInput: both an account and a portfolio are given.
        NotFound: the account or portfolio does not exist or is not the user's.
    """
    if account_id is not None and portfolio_id is not None:
        raise InvalidInput(
            "Name an account or a portfolio, not both.",
            fields={"portfolio": "Not together with account_id."},
        )
    if account_id is not None:
        account_for_user(user, account_id)
        visible = accounts_visible_to(user).filter(account_id=account_id)
        return Selection(accounts=tuple(visible.select_related("status")), portfolios=())
    portfolios = list(portfolios_visible_to(user))
    visible = accounts_visible_to(user).select_related("status").order_by("account_id")
    if portfolio_id is None:
        return Selection(accounts=tuple(visible), portfolios=tuple(portfolios))
    chosen = next((each for each in portfolios if each.pk == portfolio_id), None)
    if chosen is None:
        raise NotFound("No such portfolio.", fields={"portfolio": "unknown"})
    members = {account.pk for account in chosen.accounts.all()}
    accounts = tuple(account for account in visible if account.pk in members)
    return Selection(accounts=accounts, portfolios=(chosen,))


def read_risk_book(
    accounts: Sequence[Account],
    *,
    benchmark: str | None = None,
    also: Iterable[str] = (),
    with_closes: bool = True,
) -> RiskBook:
    """Read the legs of the (already authorised) accounts with rates, betas and prices.

    ``also`` names underlyings that are not held but need betas and prices. Without closes there is
    no value at risk, and only stored betas.
    """
    benchmark = benchmark or settings.RISK_BENCHMARK
    at = market_now()
    days = {account.account_id: local_date(account, at) for account in accounts}
    rows = (
        Position.objects.filter(account__in=accounts)
        .order_by("account_id", "underlying", "expiry", "strike", "right", "id")
        .values_list(*_COLUMNS)
    )
    legs = []
    for row in rows:
        values = dict(zip(_COLUMNS, row, strict=True))
        legs.append(risk_leg(values, today=days[values["account_id"]]))
    currency = totals_currency(accounts)
    money = {account.account_id: money_of(account) for account in accounts}
    also = set(also)
    underlyings = {leg.leg.history_name for leg in legs}
    names = underlyings | also | {benchmark}
    closes = daily_closes(names, until=at.date()) if with_closes else {}
    prices = known_prices(names, {leg.leg.underlying_key for leg in legs})
    price = (
        price_of_benchmark(prices, benchmark)
        or price_in_book((leg.leg for leg in legs), benchmark)
        or _last_close(closes.get(benchmark))
    )
    currencies = {name: known.currency for name, known in prices.items()}
    currencies |= {leg.leg.underlying_key: leg.leg.currency for leg in legs}
    named = {*currencies.values(), *(each.currency for each in money.values())}
    rates = rates_into(currency, named | ({price.currency} if price else set()))
    betas = known_betas(underlyings | also, benchmark=benchmark)
    betas |= _regressed(closes, benchmark, names - set(betas))
    return RiskBook(
        legs=tuple(legs),
        currency=currency,
        rates=rates,
        spots={key: known.price for key, known in prices.items()},
        currencies=currencies,
        weights=weights_of(betas, benchmark=benchmark, price=price, currency=currency, rates=rates),
        betas=betas,
        benchmark_price=price,
        closes=closes,
        dividends=coming_dividends(legs),
        accounts=money,
        at=at,
    )


def coming_dividends(legs: Sequence[RiskLeg]) -> KnownDividends:
    """Return dividends that go ex before the last option expires. One query, none without
    options."""
    expiries = [leg.leg.expiry for leg in legs if leg.is_option and leg.leg.expiry is not None]
    if not expiries:
        return {}
    shares = [leg.leg for leg in legs if leg.leg.instrument_type == InstrumentKind.OPTION.value]
    return known_dividends({(leg.underlying, leg.currency) for leg in shares}, until=max(expiries))


def _last_close(closes: Mapping[date, float] | None) -> KnownPrice | None:
    if not closes:
        return None
    day = max(closes)
    return close_as_price(closes[day], day)


def _regressed(
    closes: Mapping[str, Mapping[date, float]], benchmark: str, missing: Iterable[str]
) -> dict[str, KnownBeta]:
    """Compute betas from the closes where none is stored."""
    market = closes.get(benchmark, {})
    found = {}
    for symbol in set(missing) - {benchmark}:
        beta = regressed_beta(closes.get(symbol, {}), market)
        if beta is not None:
            found[symbol] = KnownBeta(
                value=beta.value,
                source="history",
                observations=beta.observations,
                as_of=end_of(beta.last),
            )
    return found


def risk_leg(values: Mapping[str, Any], *, today: date) -> RiskLeg:
    """Build a leg from a position's columns.

    An instrument without an expiry time expires at its market's regular close.
    """
    terms = per_share(_contract(values)) if values["strike"] is not None else None
    return RiskLeg(
        id=str(values["id"]),
        symbol=values["symbol"],
        account_id=values["account_id"],
        strike=terms.strike if terms else as_float(values["strike"]),
        right=values["right"] or "",
        implied_volatility=values["iv_raw"],
        greeks_source=values["greeks_source"] or None,
        exercise_style=values["instrument__exercise_style"],
        expires_at=values["instrument__expires_at"] or expiry_instant(_contract(values)),
        root=values["instrument__root"],
        leg=leg_of(values, today=today),
        deliverable_known=terms is not None or not values["instrument__is_adjusted"],
    )


def _contract(values: Mapping[str, Any]) -> Contract:
    shares, cash = (values[f"instrument__deliverable_{name}"] for name in ("shares", "cash"))
    return Contract(
        kind=InstrumentKind(values["instrument_type"]),
        symbol=values["symbol"],
        underlying=values["underlying"],
        multiplier=values["multiplier"],
        currency=values["currency"],
        expiry=values["expiry"],
        strike=values["strike"],
        marked_adjusted=values["instrument__is_adjusted"],
        deliverable=None if shares is None else Deliverable(shares=shares, cash=cash or Decimal(0)),
    )
