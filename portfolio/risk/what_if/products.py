"""What makes two contracts the same product: only then do they share volatility and yield."""

from __future__ import annotations

import re
from typing import NamedTuple

from greeks.domain import InstrumentKind
from portfolio.risk.legs import RiskLeg
from portfolio.risk.what_if.known_contracts import KnownContract

_SEPARATORS = re.compile(r"[^A-Z0-9]")


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
