"""Greeks and prices of contracts as they were known at an instant: from the cache or the minutes.

Nothing with an as-of time after the instant is ever taken. The caller says how old it may be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from django.db.models import OuterRef, QuerySet, Subquery

from greeks.models import ContractGreekHistory, ContractGreeks, Instrument
from greeks.underlyings import key_of_row
from portfolio.accounts.days import minute_of
from portfolio.models import AccountHistory, PriceBar, Quote

Known = TypeVar("Known", bound="GreeksThen | PriceThen | BookThen")
_MINUTE = timedelta(minutes=1)


class PriceThen(NamedTuple):
    price: Decimal
    source: str
    as_of: datetime


class GreeksThen(NamedTuple):
    """Per unit of the underlying, of one long contract."""

    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    implied_volatility: float | None
    underlying_price: Decimal | None
    source: str
    as_of: datetime

    @property
    def spot(self) -> PriceThen | None:
        """The underlying's price at which they were computed, if the source tells it."""
        if not self.underlying_price:
            return None
        return PriceThen(self.underlying_price, self.source, self.as_of)


class BookThen(NamedTuple):
    """An account's net liquidation and the totals of its book, in its currency."""

    net_liquidation: Decimal | None
    dollar_delta: float | None
    dollar_gamma: float | None
    theta: float | None
    vega: float | None
    source: str
    as_of: datetime


#: What is looked up: an instrument (or account) and the instant.
Look = tuple[Any, datetime]
_GREEKS = ("delta_raw", "gamma_raw", "theta_raw", "vega_raw", "implied_volatility_raw",
           "underlying_price", "source", "as_of")  # fmt: skip


def newest(*found: Known | None, at: datetime, oldest: timedelta) -> Known | None:
    """Return the newest of what was known at the instant, if it is no older than ``oldest``."""
    usable = [each for each in found if each is not None and at - oldest <= each.as_of <= at]
    return max(usable, key=lambda each: each.as_of, default=None)


def greeks_of_rows(rows: QuerySet[Any], *, instrument: str, at: Any) -> dict[Any, GreeksThen]:
    """Return by the rows' key the Greeks of the last minute up to ``at`` of their instrument.

    ``at`` is an instant, or an ``OuterRef`` to the rows. Two queries.
    """
    minutes = ContractGreekHistory.objects.filter(
        instrument=OuterRef(instrument), minute__lte=at, as_of__lte=at
    )
    return _last_of_rows(rows, minutes, _GREEKS, GreeksThen._make)


def prices_of_rows(rows: QuerySet[Any], *, instrument: str, at: Any) -> dict[Any, PriceThen]:
    """Return by the rows' key the last minute bar's close up to ``at``. Two queries."""
    minutes = PriceBar.objects.filter(
        instrument=OuterRef(instrument), minute__lte=at, as_of__lte=at
    )
    return _last_of_rows(rows, minutes, ("close", "source", "as_of"), PriceThen._make)


def books_of_rows(rows: QuerySet[Any], *, account: str, at: Any) -> dict[Any, BookThen]:
    """Return by the rows' key the account's last minute up to ``at``. Two queries."""
    minutes = AccountHistory.objects.filter(
        account=OuterRef(account), minute__lte=at, as_of__lte=at
    )
    return _last_of_rows(rows, minutes, BookThen._fields, BookThen._make)


def _last_of_rows(
    rows: QuerySet[Any],
    minutes: QuerySet[Any],
    columns: Sequence[str],
    read: Callable[[Sequence[Any]], Known],
) -> dict[Any, Known]:
    place = Subquery(minutes.order_by("-minute").values("pk")[:1])
    found = rows.order_by().annotate(place=place).values_list("pk", "place")
    places = {key: place for key, place in found if place is not None}
    stored = minutes.model._default_manager.filter(pk__in=set(places.values()))
    known = {row[0]: read(row[1:]) for row in stored.values_list("pk", *columns)}
    return {key: known[place] for key, place in places.items() if place in known}


def latest_greeks(instruments: Iterable[int]) -> dict[int, GreeksThen]:
    """Return the cached Greeks, which may be later than any instant asked for. One query."""
    rows = ContractGreeks.objects.filter(instrument__in=set(instruments))
    return {row[0]: GreeksThen._make(row[1:]) for row in rows.values_list("pk", *_GREEKS)}


def latest_prices(instruments: Iterable[int]) -> dict[int, PriceThen]:
    """Return the last quotes' prices. One query."""
    rows = Quote.objects.filter(instrument__in=set(instruments), price__isnull=False)
    return {
        pk: PriceThen(price, source, as_of)
        for pk, price, source, as_of in rows.values_list("pk", "price", "source", "as_of")
        if price is not None
    }


def prices_at(looks: Sequence[Look], *, minutes: int) -> dict[Look, PriceThen]:
    """Return prices of instruments at instants, from bars of the last ``minutes``. One query."""
    bars = PriceBar.objects.filter(
        instrument__in={instrument for instrument, _ in looks},
        minute__in=_minutes(looks, minutes),
    )
    by_minute = {
        (pk, minute): PriceThen(close, source, as_of)
        for pk, minute, close, source, as_of in bars.values_list(
            "instrument_id", "minute", "close", "source", "as_of"
        )
    }
    return _last_minutes(looks, by_minute, minutes)


def spots_of_options(
    looks: Sequence[tuple[str, datetime]], *, underlyings: Iterable[str], minutes: int
) -> dict[Look, PriceThen]:
    """Return prices of underlyings, by ``underlying_key``, as held options' Greeks saw them.

    ``underlyings`` are the symbols of the looks. Two queries, none without looks.
    """
    if not looks:
        return {}
    keys = {key for key, _ in looks}
    rows = Instrument.objects.filter(underlying__in=set(underlyings))
    names = {row.pk: key for row in rows if (key := key_of_row(row)) in keys}
    found = ContractGreekHistory.objects.filter(
        instrument__in=names, minute__in=_minutes(looks, minutes), underlying_price__isnull=False
    )
    by_minute: dict[Look, PriceThen] = {}
    for pk, minute, price, source, as_of in found.order_by("as_of").values_list(
        "instrument_id", "minute", "underlying_price", "source", "as_of"
    ):
        if price:
            by_minute[names[pk], minute] = PriceThen(price, source, as_of)
    return _last_minutes(looks, by_minute, minutes)


def underlyings_of(instruments: Iterable[Instrument]) -> dict[str, int]:
    """Return the instruments' underlyings that are stored, by ``underlying_key``. One query."""
    keys = {key_of_row(row) for row in instruments}
    return dict(Instrument.objects.filter(key__in=keys).values_list("key", "pk"))


def _minutes(looks: Sequence[Look], minutes: int) -> set[datetime]:
    return {minute_of(at) - number * _MINUTE for _, at in looks for number in range(minutes + 1)}


def _last_minutes(
    looks: Sequence[Look], by_minute: Mapping[Look, PriceThen], minutes: int
) -> dict[Look, PriceThen]:
    found = {}
    for subject, at in looks:
        for number in range(minutes + 1):
            price = by_minute.get((subject, minute_of(at) - number * _MINUTE))
            # A bar that ended after the instant knows too much: the one before it counts.
            if price is not None and price.as_of <= at:
                found[subject, at] = price
                break
    return found
