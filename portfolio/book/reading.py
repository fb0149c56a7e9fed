"""Positions and totals of a set of accounts, cached per process by committed version."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from cachetools import LRUCache

from config.core.clock import market_now
from portfolio.accounts.days import local_date
from portfolio.betas.reading import stored_weights
from portfolio.book.shapes import PositionRow
from portfolio.exposure.columns import LINEAR_KINDS, OPTION_KINDS, Leg, Money
from portfolio.exposure.currencies import currency_of, rates_into, totals_currency
from portfolio.exposure.deliverables import of_deliverable
from portfolio.exposure.totals import book_totals
from portfolio.models import Account, Position

ENCODER = msgspec.json.Encoder(decimal_format="number")

# Fields of a row that are computed; the others are columns of the same name.
_COMPUTED = frozenset(
    {
        "dte", "daily_change_percent", "delta", "gamma", "theta", "vega", "iv", "open_interest",
        "deliverable", "deliverable_cash",
    }
)  # fmt: skip
_STORED = tuple(name for name in PositionRow.__struct_fields__ if name not in _COMPUTED)
#: An adjusted option's deliverable; ``leg_of`` needs them.
ADJUSTMENT = (
    "instrument__is_adjusted", "instrument__deliverable_shares", "instrument__deliverable_cash",
)  # fmt: skip
_AMOUNTS = ("strike", "quantity", "multiplier", "avg_price", "price", "market_value",
            "unrealized_pnl", "opening_price", "previous_close", "daily_change")  # fmt: skip
_COLUMNS = (*_STORED, "delta_raw", "gamma_raw", "theta_raw", "vega_raw", "iv_raw",
            "underlying_price", "instrument__underlying_key",
            "instrument__quote__open_interest", *ADJUSTMENT)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """Committed positions of a set of accounts, with their totals. Each reading is its own.

    ``positions_json`` and ``totals_json`` are the same as JSON, encoded once per version.
    """

    positions: list[dict[str, Any]]
    totals: dict[str, Any]
    positions_json: bytes
    totals_json: bytes


#: This process's most recent books. Never stale: the key holds every account's version.
kept_books: LRUCache[Hashable, Book] = LRUCache(32)
_lock = threading.Lock()


def book_of(accounts: Sequence[Account]) -> Book:
    """Return the committed book of (already authorised) accounts, read once per version."""
    key = book_key(accounts)
    with _lock:
        book = kept_books.get(key)
    if book is None:
        book = read_book(accounts)
        # If a sync committed between the two reads, the next reader gets its version.
        if _versions(accounts) == key[0]:
            with _lock:
                kept_books[key] = book
    return book


def book_key(accounts: Sequence[Account]) -> tuple[Hashable, ...]:
    """Return what the book depends on: account versions, their local days, betas and rates."""
    at = market_now()
    return (
        tuple((account.account_id, account.book_version) for account in accounts),
        tuple(local_date(account, at) for account in accounts),
        # Read with the accounts; all have the same value.
        tuple(getattr(account, "betas_as_of", None) for account in accounts[:1]),
        tuple(getattr(account, "betas_sum", None) for account in accounts[:1]),
        rates_version(accounts),
    )


def rates_version(accounts: Sequence[Account]) -> Hashable:
    """Return what changes with any exchange rate, read with the accounts."""
    return tuple(getattr(account, "rates_sum", None) for account in accounts[:1])


def _versions(accounts: Sequence[Account]) -> tuple[tuple[str, int], ...]:
    committed = dict(
        Account.objects.filter(
            account_id__in=[account.account_id for account in accounts]
        ).values_list("account_id", "book_version")
    )
    return tuple((a.account_id, committed.get(a.account_id, -1)) for a in accounts)


def read_book(accounts: Sequence[Account]) -> Book:
    """Read the book of (already authorised) accounts and total it.

    Three queries: positions, betas and the benchmark's price. One more if the book has a currency
    its accounts do not, and one if the benchmark has no quote.
    """
    rows = list(
        Position.objects.filter(account__in=[account.account_id for account in accounts])
        .order_by("account_id", "underlying", "expiry", "strike", "right", "id")
        .values_list(*_COLUMNS)
    )
    at = market_now()
    days = {account.account_id: local_date(account, at) for account in accounts}
    positions = []
    legs = []
    for row in rows:
        values = dict(zip(_COLUMNS, row, strict=True))
        today = days[values["account_id"]]
        positions.append(position_row(values, today=today))
        legs.append(leg_of(values, today=today))
    currency = totals_currency(accounts)
    rates = _rates(currency, legs, accounts)
    totals = book_totals(
        legs=legs,
        accounts=[money_of(account) for account in accounts],
        currency=currency,
        rates=rates,
        weights=stored_weights(legs, currency=currency, rates=rates),
    )
    totals["value_conflicts"] = [
        f"{row['symbol']}: {row['value_conflict']}" for row in positions if row["value_conflict"]
    ]
    return Book(
        positions=positions,
        totals=totals,
        positions_json=ENCODER.encode(positions),
        totals_json=ENCODER.encode(totals),
    )


def plain(value: Decimal | None) -> Decimal | None:
    """Strip the trailing zeros that come from the column."""
    if value is None:
        return None
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize()


def position_row(values: dict[str, Any], *, today: date) -> dict[str, Any]:
    """Return one position as the API and the page show it: the fields of ``PositionRow``.

    Amounts stay Decimal: the encoder writes their digits. Greeks are per unit of the underlying.
    """
    linear = values["instrument_type"] in LINEAR_KINDS
    option = values["instrument_type"] in OPTION_KINDS
    expiry = values["expiry"]
    amounts = {name: plain(values[name]) for name in _AMOUNTS}
    adjusted = values["instrument__is_adjusted"]
    shares = values["instrument__deliverable_shares"] if adjusted else values["multiplier"]
    known = not adjusted or shares is not None
    return {
        **{name: values[name] for name in _STORED},
        **amounts,
        "id": str(values["id"]),
        "right": values["right"] or None,
        "dte": (expiry - today).days if expiry is not None else None,
        "price_source": values["price_source"] or None,
        "daily_change_percent": _change_percent(amounts["market_value"], amounts["daily_change"]),
        "deliverable": plain(shares),
        "deliverable_cash": plain(values["instrument__deliverable_cash"]) if adjusted else None,
        "delta": 1.0 if linear else values["delta_raw"] if known else None,
        "gamma": 0.0 if linear else values["gamma_raw"] if known else None,
        "theta": 0.0 if linear else values["theta_raw"] if known else None,
        "vega": 0.0 if linear else values["vega_raw"] if known else None,
        "iv": values["iv_raw"] if option and known else None,
        "open_interest": values["instrument__quote__open_interest"] if option else None,
        "greeks_source": values["greeks_source"] or None if option and known else None,
        "greeks_as_of": values["greeks_as_of"] if option and known else None,
    }


def _change_percent(market_value: Decimal | None, daily_change: Decimal | None) -> float | None:
    if market_value is None or daily_change is None:
        return None
    opening = abs(market_value - daily_change)
    return float(daily_change / opening * 100) if opening else None


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def leg_of(values: Mapping[str, Any], *, today: date) -> Leg:
    """Return the columns of a position that the totals need, per share of an adjusted option."""
    expiry = values["expiry"]
    leg = Leg(
        underlying=values["underlying"],
        instrument_type=values["instrument_type"],
        expiry=expiry,
        dte=(expiry - today).days if expiry is not None else None,
        currency=values["currency"],
        quantity=float(values["quantity"]),
        multiplier=float(values["multiplier"]),
        price=_float(values["price"]),
        market_value=_float(values["market_value"]),
        unrealized_pnl=_float(values["unrealized_pnl"]),
        daily_change=_float(values["daily_change"]),
        delta=values["delta_raw"],
        gamma=values["gamma_raw"],
        theta=values["theta_raw"],
        vega=values["vega_raw"],
        underlying_price=_float(values["underlying_price"]),
        stored_key=values["instrument__underlying_key"],
    )
    if not values["instrument__is_adjusted"]:
        return leg
    return of_deliverable(leg, values["instrument__deliverable_shares"])


def money_of(account: Account) -> Money:
    """Return net liquidation and margin from the account's last summary."""
    status = getattr(account, "status", None)
    return Money(
        currency=currency_of(account),
        net_liquidation=status.net_liquidation if status else None,
        maint_margin=status.maint_margin if status else None,
    )


def _rates(currency: str, legs: Sequence[Leg], accounts: Sequence[Account]) -> dict[str, float]:
    return rates_into(
        currency, [*(leg.currency for leg in legs), *(currency_of(account) for account in accounts)]
    )
