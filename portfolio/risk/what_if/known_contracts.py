"""Option contracts in the shared cache, and which are the same product: only those share volatility
and yield. Public data: the same for every user."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from django.db.models import F

from greeks.domain import InstrumentKind
from greeks.models import Instrument
from greeks.underlyings import key_of_row
from portfolio.amounts import as_float
from portfolio.risk.legs import RiskLeg

_SEPARATORS = re.compile(r"[^A-Z0-9]")


class KnownContract(NamedTuple):
    """A contract with its last volatility (fraction) and price per unit of the underlying."""

    kind: str
    symbol: str
    underlying: str
    expiry: date
    strike: float
    right: str
    underlying_key: str
    root: str
    multiplier: float
    currency: str
    exercise_style: str
    expires_at: datetime | None
    implied_volatility: float | None
    price: float | None


def known_contracts(expiries: Iterable[tuple[str, date]]) -> list[KnownContract]:
    """Return every known ordinary option of these (underlying, expiry) pairs. At most one query."""
    wanted = set(expiries)
    if not wanted:
        return []
    rows = Instrument.objects.filter(
        kind__in=(InstrumentKind.OPTION.value, InstrumentKind.FUTURE_OPTION.value),
        is_adjusted=False,
        underlying__in={underlying for underlying, _ in wanted},
        expiry__in={expiry for _, expiry in wanted},
    ).order_by("strike", "right", "pk")
    found = []
    for row in rows.annotate(implied=F("greeks__implied_volatility_raw"), price=F("quote__price")):
        if row.expiry is None or row.strike is None or (row.underlying, row.expiry) not in wanted:
            continue
        found.append(
            KnownContract(
                kind=row.kind,
                symbol=row.symbol,
                underlying=row.underlying,
                expiry=row.expiry,
                strike=float(row.strike),
                right=row.right,
                underlying_key=key_of_row(row),
                root=row.root,
                multiplier=float(row.multiplier),
                currency=row.currency,
                exercise_style=row.exercise_style,
                expires_at=row.expires_at,
                implied_volatility=row.implied if is_volatility(row.implied) else None,
                price=as_float(row.price),
            )
        )
    return found


def is_volatility(value: float | None) -> bool:
    """Whether a volatility can be used: a number above zero."""
    return value is not None and math.isfinite(value) and value > 0.0


class Product(NamedTuple):
    """Contracts that differ in expiry, strike and right alone.

    ``family`` is the underlying's name for its usual roots (``SPXW`` is of ``SPX``); a root with a
    digit of its own (``X1``, an adjusted contract) is another family.
    """

    kind: str
    underlying: str
    currency: str
    family: str
    multiplier: float

    @property
    def is_usual(self) -> bool:
        """Whether it is what a bare underlying's name means."""
        if self.kind == InstrumentKind.FUTURE_OPTION.value:
            return True
        return self.family == _plain(self.underlying)


def product_of_contract(contract: KnownContract) -> Product:
    return Product(
        kind=contract.kind,
        underlying=contract.underlying,
        currency=contract.currency,
        family=_family(contract.kind, contract.root, contract.underlying),
        multiplier=contract.multiplier,
    )


def product_of_leg(leg: RiskLeg) -> Product:
    return Product(
        kind=leg.leg.instrument_type,
        underlying=leg.leg.underlying,
        currency=leg.leg.currency,
        family=_family(leg.leg.instrument_type, leg.root, leg.leg.underlying),
        multiplier=leg.leg.multiplier,
    )


def usual_product(kind: str, underlying: str, currency: str, multiplier: float) -> Product:
    return Product(kind, underlying, currency, _family(kind, "", underlying), multiplier)


def _family(kind: str, root: str, underlying: str) -> str:
    own, name = _plain(root) or _plain(underlying), _plain(underlying)
    if kind == InstrumentKind.FUTURE_OPTION.value:
        return own
    return own if any(each.isdigit() for each in own) else name


def _plain(name: str) -> str:
    return _SEPARATORS.sub("", name.upper())
