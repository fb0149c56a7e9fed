"""The head of the market page: what is chosen, with its choices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from config.core.web.filter_fields import FilterField, choice_field, day_field
from greeks.market.bodies.questions import RESOLUTIONS
from greeks.market.page import MarketPage


def picker_fields(page: MarketPage) -> Sequence[FilterField]:
    """Return the fields of the page's pickers."""
    one, day = partial(choice_field, every=None), partial(day_field, every=None)
    instruments = [(each.slug, each.name) for each in page.instruments]
    resolutions = [(each, each) for each in RESOLUTIONS]
    kept = [(each, each) for each in page.strikes.kept]
    slug = page.instrument.slug if page.instrument else ""
    return (
        one("instrument", "Instrument", slug, instruments),
        day("expiry", "Expiry", page.expiry, page.expiries),
        day("date", "Day", page.session_date, page.dates),
        one("resolution", "Resolution", page.resolution, resolutions),
        one("at", "Chain kept at", page.strikes.kept_at, kept),
    )
