"""Legs added by a what-if: their terms, volatility, price and Greeks.

A held contract is used as held, so the opposite leg closes it. For others, or with a price or
volatility given, the volatility is the given one, else the held leg's, else the contract's last
known, else that of the nearest strike of the same expiry, else the one a given price implies. The
price is the given one, else the contract's quote, else the model's. The Greeks are the model's,
with spot, dividend yield and dividends of the held leg, or of the expiry's nearest held strike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import numpy as np

from config.core.errors import invalid
from greeks.domain import Contract, InstrumentKind, Right
from greeks.instruments.expiry import expiry_instant, known_closes
from greeks.instruments.occ import OptionSymbol, OptionSymbolError
from greeks.instruments.products import exercise_style
from greeks.maths import valuation
from greeks.pricing.years import years_to
from greeks.underlyings import share_key
from portfolio.exposure.columns import Leg, book_spots
from portfolio.risk.book import RiskBook
from portfolio.risk.legs import RiskLeg
from portfolio.risk.what_if.changes import Added
from portfolio.risk.what_if.inputs import (
    currency_of,
    held_terms,
    known_volatility,
    nearest_held,
    unheld_terms,
    usable_legs,
)
from portfolio.risk.what_if.known_contracts import (
    KnownContract,
    Product,
    product_of_contract,
    usual_product,
)

SHARES_PER_CONTRACT = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedLeg:
    """A made-up leg, with the sources of its price and volatility.

    ``fitted`` is whether yield and dividends are a held leg's.
    """

    leg: RiskLeg
    price_source: str
    iv_source: str | None
    fitted: bool = True


def price_added(
    added: Added,
    *,
    path: str,
    account_id: str,
    contracts: Sequence[KnownContract],
    book: RiskBook,
    today: date,
) -> PricedLeg:
    """Build a leg from what is requested and what is known.

    ``path`` names the change in errors and in the leg's id. ``today`` is the account's.

    Raises:
        InvalidInput: names the field that must be given because nothing is known.
    """
    currency = currency_of(added, book)
    spots = book_spots(book.plain, book.spots)
    if added.instrument_type == InstrumentKind.STOCK.value:
        spot = spots.get(share_key(added.underlying, currency))
        return _stock(added, path=path, account_id=account_id, spot=spot, currency=currency)
    expiry, strike = added.expiry, added.strike
    if expiry is None or strike is None:
        raise ValueError("an option is parsed with its expiry and strike")
    product, chain = product_added(added, contracts, currency=currency)
    same = next((c for c in chain if (c.strike, c.right) == (strike, added.right)), None)
    sibling = same or (chain[0] if chain else None)
    key = sibling.underlying_key if sibling else share_key(added.underlying, currency)
    spot = spots.get(key)
    if spot is None:
        raise invalid(f"{path}.underlying", "No price is known.")
    if sibling is None and (currency != "USD" or added.underlying.startswith("/")):
        raise invalid(f"{path}.expiry", "No contract is known, so no multiplier.")
    contract = _contract(added, expiry, currency=currency)
    kind = product.kind
    expires_at = (sibling.expires_at if sibling else None) or expiry_instant(
        contract, known_closes([contract])
    )
    if expires_at is None or expires_at <= book.at:
        raise invalid(f"{path}.expiry", "Is past.")
    style = (sibling.exercise_style if sibling else "") or exercise_style(contract)
    near = nearest_held(added, product, book)
    volatility, iv_source = known_volatility(added, near, same, chain)
    legs = replace(
        held_terms(near, book) if near else unheld_terms(spot, kind, contract.currency),
        strike=np.array([strike]),
        years=np.array([years_to(expires_at, book.at)]),
        volatility=np.array([np.nan if volatility is None else volatility]),
        is_call=np.array([added.right == "C"]),
        is_american=np.array([style != "european"]),
    )
    if volatility is None and added.price is not None:
        implied = float(valuation.implied_volatilities([added.price], legs)[0])
        if not np.isfinite(implied):
            raise invalid(f"{path}.price", "No volatility gives this price.")
        volatility, iv_source = implied, "price"
    if volatility is None:
        raise invalid(f"{path}.implied_volatility", "None is known for this expiry: enter one.")
    greeks = valuation.greeks(legs.with_volatility(np.array([volatility])))
    price, price_source = _price(added, same, model=float(greeks.price[0]))
    return PricedLeg(
        leg=RiskLeg(
            id=path,
            symbol=same.symbol if same else contract.symbol,
            account_id=account_id,
            strike=strike,
            right=added.right,
            implied_volatility=volatility,
            greeks_source="model",
            exercise_style=style,
            expires_at=expires_at,
            root=sibling.root if sibling else contract.root,
            leg=Leg(
                underlying=added.underlying,
                instrument_type=kind,
                expiry=expiry,
                dte=(expiry - today).days,
                currency=contract.currency,
                quantity=added.quantity,
                multiplier=product.multiplier,
                price=price,
                market_value=price * added.quantity * product.multiplier,
                delta=float(greeks.delta[0]),
                gamma=float(greeks.gamma[0]),
                theta=float(greeks.theta[0]),
                vega=float(greeks.vega[0]),
                underlying_price=float(legs.spot[0]),
                stored_key=key,
            ),
        ),
        price_source=price_source,
        iv_source=iv_source,
        fitted=near is not None,
    )


def product_added(
    added: Added, contracts: Sequence[KnownContract], *, currency: str
) -> tuple[Product, list[KnownContract]]:
    """Return the product that the added option is one of, and its known contracts of that expiry.

    A bare name means the usual contract: adjusted ones, other currencies and other sizes are other
    products. Without a known contract it is an option on 100 shares.
    """
    usual = usual_product(
        InstrumentKind.OPTION.value, added.underlying, currency, SHARES_PER_CONTRACT
    )
    named = [
        (product, contract)
        for contract in contracts
        if (contract.underlying, contract.expiry) == (added.underlying, added.expiry)
        and (product := product_of_contract(contract)).is_usual
        and product.currency == currency
    ]
    found = {product for product, _ in named}
    product = usual if usual in found or not found else named[0][0]
    return product, [contract for each, contract in named if each == product]


def more_of_held(
    added: Added,
    contracts: Sequence[KnownContract],
    *,
    path: str,
    account_id: str,
    book: RiskBook,
) -> PricedLeg | None:
    """Return the leg as held in the book, if neither price nor volatility is given."""
    if added.price is not None or added.implied_volatility is not None:
        return None
    product, _ = product_added(added, contracts, currency=currency_of(added, book))
    for leg in usable_legs(product, added.expiry, book):
        if (leg.strike, leg.right) == (added.strike, added.right) and leg.leg.delta is not None:
            more = resized(leg, added.quantity)._replace(id=path, account_id=account_id)
            return PricedLeg(leg=more, price_source="position", iv_source="position")
    return None


def resized(leg: RiskLeg, quantity: float) -> RiskLeg:
    """Return the leg with another quantity, its values in proportion."""
    old = leg.leg
    value = None
    if old.market_value is not None and old.quantity:
        value = old.market_value / old.quantity * quantity
    elif old.price is not None:
        value = old.price * quantity * old.multiplier
    return leg._replace(leg=old._replace(quantity=quantity, market_value=value))


def _stock(
    added: Added, *, path: str, account_id: str, spot: float | None, currency: str
) -> PricedLeg:
    price = added.price if added.price is not None else spot
    if price is None:
        raise invalid(f"{path}.price", "No price is known: enter one.")
    return PricedLeg(
        leg=RiskLeg(
            id=path,
            symbol=added.underlying,
            account_id=account_id,
            leg=Leg(
                underlying=added.underlying,
                instrument_type=InstrumentKind.STOCK.value,
                currency=currency,
                quantity=added.quantity,
                multiplier=1.0,
                price=price,
                market_value=price * added.quantity,
                delta=1.0,
                gamma=0.0,
                theta=0.0,
                vega=0.0,
            ),
        ),
        price_source="given" if added.price is not None else "quote",
        iv_source=None,
    )


def _contract(added: Added, expiry: date, *, currency: str) -> Contract:
    right = Right(added.right)
    strike = Decimal(repr(added.strike))
    try:
        symbol = OptionSymbol(added.underlying.replace("/", ""), expiry, right, strike).occ
    except OptionSymbolError:
        symbol = f"{added.underlying} {expiry:%Y%m%d} {right.value} {added.strike:g}"
    return Contract(
        kind=InstrumentKind.OPTION,
        symbol=symbol,
        underlying=added.underlying,
        root=added.underlying,
        multiplier=Decimal(100),
        currency=currency,
        expiry=expiry,
        strike=strike,
        right=right,
    )


def _price(added: Added, same: KnownContract | None, *, model: float) -> tuple[float, str]:
    if added.price is not None:
        return added.price, "given"
    if same is not None and same.price is not None and added.implied_volatility is None:
        return same.price, "quote"
    return model, "model"
