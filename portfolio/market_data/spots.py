"""Decide which numbers are recent enough, and read underlyings' recent prices."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings

from greeks.calendar.exchanges import exchange_of_currency
from greeks.calendar.sessions import traded_until
from greeks.models import Instrument
from greeks.underlyings import key_of_row
from portfolio.models import Quote


def known_spots(underlyings: Iterable[Instrument], *, at: datetime) -> dict[str, float]:
    """Return last prices by ``underlying_key``, no older than ``SPOT_MAXIMUM_AGE_SECONDS``.

    One query.

    Age counts only while the exchange trades: the last price stays good after the close and over
    weekends, and is old at the next open. Without a spot the model computes nothing, and the last
    known Greeks stay, marked, rather than new ones from an old price.
    """
    by_id = {row.pk: row for row in underlyings}
    oldest_by_currency: dict[str, datetime] = {}
    found = {}
    stored = Quote.objects.filter(instrument__in=by_id, price__isnull=False)
    for instrument_id, price, as_of in stored.values_list("instrument_id", "price", "as_of"):
        row = by_id[instrument_id]
        currency = row.currency
        if currency not in oldest_by_currency:
            oldest_by_currency[currency] = oldest_usable(currency, at)
        if price is not None and as_of >= oldest_by_currency[currency]:
            found[key_of_row(row)] = float(price)
    return found


def oldest_usable(currency: str, at: datetime) -> datetime:
    """Return the time before which a number from this currency's exchange is too old."""
    exchange = exchange_of_currency(currency)
    until = at if exchange is None else traded_until(exchange.name, at)
    return until - timedelta(seconds=settings.SPOT_MAXIMUM_AGE_SECONDS)
