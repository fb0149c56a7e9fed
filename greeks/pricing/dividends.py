"""Known future cash dividends. The same for everyone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

from config.core.clock import market_now
from greeks.calendar.exchanges import Exchange
from greeks.domain import Contract, InstrumentKind
from greeks.models import Dividend
from greeks.pricing.years import years_to
from greeks.underlyings import share_key

#: Dividends by ``underlying_key`` as (ex-date, amount per share), earliest first.
KnownDividends = Mapping[str, tuple[tuple[date, float], ...]]

# Ex-dates are days in the exchange's zone; none is further from UTC than this.
_ZONES = timedelta(days=1)


def known_dividends(underlyings: Iterable[tuple[str, str]], *, until: date) -> KnownDividends:
    """Return dividends going ex from about now until ``until``, in one query.

    ``underlyings`` are symbols with their currencies: ``Z`` in pounds pays nothing that ``Z`` in
    dollars pays. Those without any are absent. The first may have gone ex a few hours ago: pricing
    compares instants.
    """
    since = market_now().date() - _ZONES
    wanted = {(symbol, currency.upper()) for symbol, currency in underlyings}
    found: dict[str, tuple[tuple[date, float], ...]] = {}
    rows = Dividend.objects.filter(
        underlying__in=sorted({symbol for symbol, _ in wanted}),
        ex_date__gte=since,
        ex_date__lte=until,
    ).order_by("underlying", "ex_date")
    for symbol, currency, ex_date, amount in rows.values_list(
        "underlying", "currency", "ex_date", "amount"
    ):
        if (symbol, currency.upper()) in wanted:
            key = share_key(symbol, currency)
            found[key] = (*found.get(key, ()), (ex_date, float(amount)))
    return found


def dividends_of(contracts: Iterable[Contract]) -> KnownDividends:
    """``known_dividends`` for the underlyings of the options on shares among ``contracts``."""
    options = [c for c in contracts if c.kind is InstrumentKind.OPTION and c.expiry is not None]
    if not options:
        return {}
    return known_dividends(
        {(c.underlying, c.currency) for c in options},
        until=max(c.expiry for c in options if c.expiry is not None),
    )


def going_ex(
    known: Iterable[tuple[date, float]], exchange: Exchange | None, *, at: datetime, until: datetime
) -> tuple[tuple[float, float], ...]:
    """Return the dividends that go ex after ``at`` up to ``until``: years to that, and the amount.

    ``known`` are ex-dates and amounts; an ex-date begins when the exchange opens.
    """
    if exchange is None:
        return ()
    openings = [
        (datetime.combine(day, exchange.opens, tzinfo=exchange.zone), amount)
        for day, amount in known
    ]
    return tuple((years_to(ex, at), amount) for ex, amount in openings if at < ex <= until)
