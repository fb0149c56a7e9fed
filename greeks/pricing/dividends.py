"""Known future cash dividends. The same for everyone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from config.core.clock import market_now
from greeks.domain import Contract
from greeks.models import Dividend

#: An underlying's dividends as (ex-date, amount per share), earliest first.
KnownDividends = Mapping[str, tuple[tuple[date, float], ...]]

# Ex-dates are days in the exchange's zone; none is further from UTC than this.
_ZONES = timedelta(days=1)


def known_dividends(underlyings: Iterable[str], *, until: date) -> KnownDividends:
    """Return dividends going ex from about now until ``until``, by underlying, in one query.

    Underlyings without any are absent. The first may have gone ex a few hours ago: pricing
    compares instants.
    """
    since = market_now().date() - _ZONES
    found: dict[str, tuple[tuple[date, float], ...]] = {}
    rows = Dividend.objects.filter(
        underlying__in=sorted(set(underlyings)), ex_date__gte=since, ex_date__lte=until
    ).order_by("underlying", "ex_date")
    for underlying, ex_date, amount in rows.values_list("underlying", "ex_date", "amount"):
        found[underlying] = (*found.get(underlying, ()), (ex_date, float(amount)))
    return found


def dividends_of(contracts: Iterable[Contract]) -> KnownDividends:
    """``known_dividends`` for the underlyings of the options among ``contracts``."""
    options = [(c.underlying, c.expiry) for c in contracts if c.is_option and c.expiry is not None]
    if not options:
        return {}
    return known_dividends({name for name, _ in options}, until=max(day for _, day in options))
