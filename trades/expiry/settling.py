"""Contracts' values at expiry, where prices of that moment are known."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db.models import OuterRef

from greeks.domain import InstrumentKind, Right
from greeks.instruments.products import is_settled_from_opening
from greeks.instruments.store import contracts_of
from greeks.models import Instrument
from greeks.underlyings import key_of_row
from trades.contexts.market_then import (
    PriceThen,
    greeks_of_rows,
    newest,
    prices_at,
    prices_of_rows,
    underlyings_of,
)

#: A price may be this old at the instant of expiry.
_PRICE_AGE: Final = timedelta(minutes=5)
_MINUTE: Final = timedelta(minutes=1)
OPTIONS: Final = (InstrumentKind.OPTION.value, InstrumentKind.FUTURE_OPTION.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A contract at its expiry. ``value`` is per unit; ``None`` if not known.

    An option's is its intrinsic value at ``spot``, unless it settles from opening prices, which are
    in no minute before them. Another contract's is its own last price.
    """

    at: datetime
    value: Decimal | None
    is_worthless: bool
    spot: Decimal | None
    source: str
    as_of: datetime | None


def settle(instruments: Collection[int]) -> dict[int, Settled]:
    """Return what has an instant of expiry, by instrument. Eight queries for any number."""
    rows = Instrument.objects.filter(pk__in=set(instruments), expires_at__isnull=False)
    known = rows.in_bulk()
    at = OuterRef("expires_at")
    greeks = greeks_of_rows(rows, instrument="pk", at=at)
    prices = prices_of_rows(rows, instrument="pk", at=at)
    contracts = contracts_of(known.values())
    spots = _spots([row for row in known.values() if row.kind in OPTIONS])
    found = {}
    for pk, row in known.items():
        if row.expires_at is None:
            continue
        if row.kind in OPTIONS:
            own = greeks[pk].spot if pk in greeks else None
            seen = newest(own, at=row.expires_at, oldest=_PRICE_AGE)
            spot = seen or spots.get(pk)
            found[pk] = _option(row, row.expires_at, spot, is_settled_from_opening(contracts[pk]))
        else:
            last = newest(prices.get(pk), at=row.expires_at, oldest=_PRICE_AGE)
            found[pk] = _other(row.expires_at, last)
    return found


def _spots(options: Sequence[Instrument]) -> dict[int, PriceThen]:
    """Return the underlyings' own prices at the options' expiry, by option."""
    stored = underlyings_of(options)
    looks = {
        row.pk: (stored[key], row.expires_at)
        for row in options
        if (key := key_of_row(row)) in stored and row.expires_at is not None
    }
    known = prices_at(list(looks.values()), minutes=_PRICE_AGE // _MINUTE)
    return {pk: known[look] for pk, look in looks.items() if look in known}


def _option(row: Instrument, at: datetime, seen: PriceThen | None, opening: bool) -> Settled:
    spot = None if seen is None else seen.price
    value = None
    is_worthless = False
    if spot is not None and row.strike is not None and not opening:
        inside = spot - row.strike if row.right == Right.CALL.value else row.strike - spot
        value, is_worthless = max(Decimal(0), inside), inside < 0
    return Settled(
        at=at,
        value=value,
        is_worthless=is_worthless,
        spot=spot,
        source=seen.source if seen else "",
        as_of=seen.as_of if seen else None,
    )


def _other(at: datetime, last: PriceThen | None) -> Settled:
    return Settled(
        at=at,
        value=last.price if last else None,
        is_worthless=False,
        spot=None,
        source=last.source if last else "",
        as_of=last.as_of if last else None,
    )
