"""Option contracts in the shared cache. Public data: the same for every user."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from django.db.models import F

from greeks.domain import InstrumentKind
from greeks.models import Instrument
from greeks.underlyings import key_of_row
from portfolio.amounts import as_float


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
