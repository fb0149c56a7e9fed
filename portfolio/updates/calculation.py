"""Portfolios' values and their changes of the day, from the committed books of their accounts.

Value is the sum of market values, change the sum of ``(price - opening) x quantity x multiplier``.
The percentage is of the gross opening value, sum of ``|opening x quantity x multiplier|``: so a
rising short position is negative, and a book whose long and short legs offset is not divided by
nothing. What was traded today counts with the most that was at work in it. Without any such value
it is ``None``. Legs without a number are counted and left out. What was closed today counts up to
the fill that closed it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Abs

from config.core.clock import now
from config.core.upsert import update_rows
from portfolio.amounts import as_float, fitting_amount
from portfolio.book.traded_today import legs_traded_today
from portfolio.exposure.currencies import rates_into, totals_currency
from portfolio.models import Account, Portfolio, Position
from portfolio.updates.announcing import announce_figures
from portfolio.updates.days import Day, session_date_of, store_days
from portfolio.updates.membership import members
from portfolio.updates.notices import notice_moves

_CENT = Decimal("0.01")
_PERCENT = Decimal("0.0001")
_LARGEST_PERCENT = Decimal(10**8)


class Sums(NamedTuple):
    """The legs of one account in one currency; ``None`` for what no leg tells."""

    account_id: str
    currency: str
    value: Decimal | None
    change: Decimal | None
    opening: Decimal | None
    legs: int
    legs_without_change: int


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
    unconverted: list[str]
    legs: int
    legs_without_change: int


_STORED = (*PortfolioTotals.__slots__, "counted", "book_version", "last_updated")


def portfolio_totals(
    rows: Sequence[Sums], *, currency: str, rates: Mapping[str, float]
) -> PortfolioTotals:
    """Total accounts' sums. ``rates`` gives units of ``currency`` per unit of another."""
    per_unit = {name: Decimal(repr(rate)) for name, rate in rates.items()} | {currency: Decimal(1)}
    names = sorted({row.currency for row in rows})
    known = [row for row in rows if row.currency in per_unit]
    value, change, opening = (
        _total(_times(getattr(row, name), per_unit[row.currency]) for row in known)
        for name in ("value", "change", "opening")
    )
    return PortfolioTotals(
        currency=currency,
        value=_rounded(value),
        daily_change=_rounded(change),
        daily_change_percent=_percent(change, opening),
        by_currency=[
            {
                "currency": name,
                "value": as_float(_total(row.value for row in rows if row.currency == name)),
                "daily_change": as_float(
                    _total(row.change for row in rows if row.currency == name)
                ),
            }
            for name in names
        ],
        unconverted=[name for name in names if name not in per_unit],
        legs=sum(row.legs for row in rows),
        legs_without_change=sum(row.legs_without_change for row in rows),
    )


def recalculate(portfolio_ids: Collection[int]) -> None:
    """Store these portfolios' figures, as the latest and of the session, and announce them.

    At most fourteen queries for any number; raises ``DatabaseError``. One that is gone is left out.
    """
    found = members(portfolio_ids)
    # Versions are read before the sums: a book committed in between is swept up, never missed.
    accounts = Account.objects.in_bulk(frozenset().union(*found.values()))
    sums: dict[str, list[Sums]] = {}
    for row in (*account_sums(accounts), *_sums_of_traded(accounts)):
        sums.setdefault(row.account_id, []).append(row)
    currencies = {row.currency for rows in sums.values() for row in rows}
    rates: dict[str, dict[str, float]] = {}
    # Portfolios of one desk often count the same accounts: those are totalled once.
    figures: dict[frozenset[str], Mapping[str, Any]] = {}
    days: list[Day] = []
    for pk, names in found.items():
        if names not in figures:
            mine = [accounts[name] for name in sorted(names) if name in accounts]
            currency = totals_currency(mine)
            if currency not in rates:
                rates[currency] = rates_into(currency, currencies)
            totals = portfolio_totals(
                [row for account in mine for row in sums.get(account.pk, ())],
                currency=currency,
                rates=rates[currency],
            )
            figures[names] = {
                **{name: getattr(totals, name) for name in PortfolioTotals.__slots__},
                "counted": [account.pk for account in mine],
                "book_version": sum(account.book_version for account in mine),
                "last_updated": now(),
                "session_date": None if totals.value is None else session_date_of(mine),
            }
        if figures[names]["session_date"] is not None:
            days.append(Day(pk, figures[names]))
    rows = [(pk, *(figures[names][name] for name in _STORED)) for pk, names in found.items()]
    update_rows(Portfolio, ("id", *_STORED), rows)
    store_days(days)
    announce_figures(found)
    notice_moves(days)


def account_sums(account_ids: Iterable[str]) -> list[Sums]:
    """Sum the legs of these accounts by currency. One query."""
    rows = (
        Position.objects.filter(account__in=list(account_ids))
        .order_by()
        .values("account_id", "currency")
        .annotate(
            value=Sum("market_value"),
            change=Sum("daily_change"),
            opening=Sum(Abs(F("market_value") - F("daily_change"))),
            legs=Count("pk"),
            legs_without_change=Count("pk", filter=Q(daily_change__isnull=True)),
        )
    )
    return [Sums(**row) for row in rows]


def _sums_of_traded(accounts: Mapping[str, Account]) -> list[Sums]:
    """Return what today's fills add, as sums: no value, and a leg only if its change is unknown."""
    return [
        Sums(
            account_id=leg.account_id,
            currency=leg.currency,
            value=Decimal(),
            change=leg.change,
            opening=leg.opening,
            legs=int(leg.change is None),
            legs_without_change=int(leg.change is None),
        )
        for leg in legs_traded_today(accounts)
    ]


def portfolios_behind() -> list[int]:
    """Return the portfolios whose stored figures are not of their accounts' last books."""
    versions = dict(Account.objects.order_by().values_list("account_id", "book_version"))
    stored = dict(Portfolio.objects.order_by().values_list("pk", "book_version"))
    return [
        pk
        for pk, account_ids in members().items()
        if stored.get(pk) != sum(versions.get(name, 0) for name in account_ids)
    ]


def _times(amount: Decimal | None, rate: Decimal) -> Decimal | None:
    return None if amount is None else amount * rate


def _total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Sum what is known; ``None`` if nothing is."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal()) if known else None


def _rounded(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else fitting_amount(amount.quantize(_CENT))


def _percent(change: Decimal | None, opening: Decimal | None) -> Decimal | None:
    if change is None or not opening:
        return None
    percent = change / opening * 100
    return percent.quantize(_PERCENT) if abs(percent) < _LARGEST_PERCENT else None
