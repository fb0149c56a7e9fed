"""A portfolio's value and its change of the day, from the committed books of its accounts.

Value is the sum of market values, change the sum of ``(price - opening) x quantity x multiplier``.
The percentage is of the gross opening value, sum of ``|opening x quantity x multiplier|``: so a
rising short position is negative, and a book whose long and short legs offset is not divided by
nothing. Without any opening value it is ``None``. Legs without a number are counted and left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from config.core.clock import now
from portfolio.amounts import fitting_amount
from portfolio.exposure.columns import FloatArray, column
from portfolio.exposure.currencies import rates_into, totals_currency
from portfolio.models import Account, Portfolio, Position
from portfolio.updates.membership import members

Row = tuple[str, Decimal | None, Decimal | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioTotals:
    """A portfolio's figures in ``currency``; ``None`` for what no leg tells.

    ``by_currency`` has value and change before conversion; ``unconverted`` names the currencies
    without a rate, whose legs are in no total.
    """

    currency: str
    value: Decimal | None
    daily_change: Decimal | None
    daily_change_percent: Decimal | None
    by_currency: list[dict[str, Any]]
    unconverted: tuple[str, ...]
    legs: int
    legs_without_change: int


def portfolio_totals(
    rows: Sequence[Row],
    *,
    currency: str,
    rates: Mapping[str, float],
) -> PortfolioTotals:
    """Total legs of ``(currency, market value, change of the day)``. One vectorised pass.

    ``rates`` gives units of ``currency`` per unit of another.
    """
    names = sorted({row[0] for row in rows})
    place = {name: index for index, name in enumerate(names)}
    which = np.fromiter((place[row[0]] for row in rows), dtype=np.intp, count=len(rows))
    # Decimal to float loses nothing a cent would show; the sums are rounded once, at the end.
    value = _column(row[1] for row in rows)
    change = _column(row[2] for row in rows)
    opening = np.abs(value - change)
    per_unit = {name: 1.0 if name == currency else rates.get(name) for name in names}
    rate = np.array([per_unit[name] or np.nan for name in names])[which] if rows else value
    total, changed = _sum(value * rate), _sum(change * rate)
    base = _sum(opening * rate)
    return PortfolioTotals(
        currency=currency,
        value=_amount(total),
        daily_change=_amount(changed),
        daily_change_percent=_percent(changed, base),
        by_currency=[
            {
                "currency": name,
                "value": _sum(value[which == index]),
                "daily_change": _sum(change[which == index]),
            }
            for name, index in place.items()
        ],
        unconverted=tuple(name for name in names if per_unit[name] is None),
        legs=len(rows),
        legs_without_change=int(np.isnan(change).sum()),
    )


def recalculate(portfolio_id: int) -> bool:
    """Store the portfolio's figures; ``False`` if it is gone. Raises ``DatabaseError``."""
    found = members([portfolio_id]).get(portfolio_id)
    if found is None:
        return False
    accounts = list(Account.objects.filter(pk__in=found))
    # Read before the rows: a book committed in between is swept up, never missed.
    version = sum(account.book_version for account in accounts)
    rows = list(
        Position.objects.filter(account__in=found)
        .order_by()
        .values_list("currency", "market_value", "daily_change")
    )
    currency = totals_currency(accounts)
    totals = portfolio_totals(
        rows, currency=currency, rates=rates_into(currency, {row[0] for row in rows})
    )
    values: dict[str, Any] = {
        name: getattr(totals, name)
        for name in ("currency", "value", "daily_change", "daily_change_percent", "by_currency")
    }
    return bool(
        Portfolio.objects.filter(pk=portfolio_id).update(
            **values,
            unconverted=list(totals.unconverted),
            legs=totals.legs,
            legs_without_change=totals.legs_without_change,
            counted=sorted(found),
            book_version=version,
            last_updated=now(),
        )
    )


def portfolios_behind() -> list[int]:
    """Return the portfolios whose stored figures are not of their accounts' last books."""
    versions = dict(Account.objects.order_by().values_list("account_id", "book_version"))
    stored = dict(Portfolio.objects.order_by().values_list("pk", "book_version"))
    return [
        pk
        for pk, account_ids in members().items()
        if stored.get(pk) != sum(versions.get(name, 0) for name in account_ids)
    ]


def _column(values: Iterable[Decimal | None]) -> FloatArray:
    return column(None if value is None else float(value) for value in values)


def _sum(values: FloatArray) -> float | None:
    """Sum what is known; ``None`` if nothing is."""
    known = values[np.isfinite(values)]
    return float(known.sum()) if known.size else None


def _amount(value: float | None) -> Decimal | None:
    return None if value is None else fitting_amount(Decimal(repr(round(value, 2))))


def _percent(change: float | None, base: float | None) -> Decimal | None:
    if change is None or not base:
        return None
    percent = Decimal(repr(round(change / base * 100, 4)))
    return percent if abs(percent) < 10**8 else None
