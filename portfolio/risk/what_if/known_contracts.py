"""Option contracts in the shared cache. Public data: the same for every user."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from greeks.domain import InstrumentKind
from greeks.models import Instrument


class KnownContract(NamedTuple):
    """A contract with its last volatility (fraction) and price per unit of the underlying."""

    kind: str
    symbol: str
    underlying: str
    expiry: date
    strike: float
    right: str
    multiplier: float
    currency: str
    exercise_style: str
    expires_at: datetime | None
    implied_volatility: float | None
    price: float | None


def known_contracts(expiries: Iterable[tuple[str, date]]) -> list[KnownContract]:
    """Return every known option of these (underlying, expiry) pairs. At most one query."""
    wanted = set(expiries)
    if not wanted:
        return []
    rows = Instrument.objects.filter(
        kind__in=(InstrumentKind.OPTION.value, InstrumentKind.FUTURE_OPTION.value),
        underlying__in={underlying for underlying, _ in wanted},
        expiry__in={expiry for _, expiry in wanted},
    ).order_by("strike", "right", "pk")
    found = []
    for row in rows.values_list(
        "kind", "symbol", "underlying", "expiry", "strike", "right", "multiplier", "currency",
        "exercise_style", "expires_at", "greeks__implied_volatility_raw", "quote__price",
    ):  # fmt: skip
        kind, symbol, underlying, expiry, strike, right, multiplier, currency = row[:8]
        style, at, iv, price = row[8:]
        if expiry is None or strike is None or (underlying, expiry) not in wanted:
            continue
        found.append(
            KnownContract(
                kind=kind,
                symbol=symbol,
                underlying=underlying,
                expiry=expiry,
                strike=float(strike),
                right=right,
                multiplier=float(multiplier),
                currency=currency,
                exercise_style=style,
                expires_at=at,
                implied_volatility=iv if iv and iv > 0 else None,
                price=None if price is None else float(price),
            )
        )
    return found
