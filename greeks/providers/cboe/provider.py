"""Cboe's delayed quotes (15 minutes old, no key needed): chains of US underlyings."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

from django.conf import settings

from config.core.clock import market_now
from config.core.errors import PermanentError
from greeks.chains import ListedExpiry, Listing, OptionChain
from greeks.providers.base import ClientProvider
from greeks.providers.cboe.client import CboeClient
from greeks.providers.cboe.quotes import SOURCE
from greeks.providers.chain_registry import register_chain_provider

_NEW_YORK = ZoneInfo("America/New_York")
#: Every standard contract is for a hundred units; adjusted ones have roots of their own.
_LOT_SIZE = 100


class CboeProvider(ClientProvider[CboeClient]):
    """``ChainProvider`` for Cboe's delayed quotes; counts its calls."""

    source = SOURCE

    def fetch_listing(self, instrument_key: str) -> Listing:
        """Return expiries in the file from its own day on.

        ``rejected`` has the rows that name no option.
        """
        file = self._client.quotes(instrument_key)
        as_of = file.as_of or market_now()
        today = as_of.astimezone(_NEW_YORK).date()
        expiries = tuple(
            ListedExpiry(expiry=expiry, lot_size=_LOT_SIZE)
            for expiry in file.expiries()
            if expiry >= today
        )
        if not expiries:
            raise PermanentError(
                f"Cboe lists no option of {instrument_key[:32]!r} "
                f"({len(file.rejected)} rows rejected).",
                provider=SOURCE,
            )
        return Listing(
            source=SOURCE,
            instrument_key=instrument_key,
            expiries=expiries,
            as_of=as_of,
            rejected=file.rejected,
        )

    def fetch_chain(self, instrument_key: str, expiry: date) -> OptionChain:
        """Return options of one expiry, of all roots (SPX and SPXW), from the symbol's one file."""
        file = self._client.quotes(instrument_key)
        return file.chain(instrument_key, expiry, as_of=market_now())


@register_chain_provider(SOURCE, is_configured=lambda: bool(settings.CBOE_URL))
def open_cboe() -> CboeProvider:
    return CboeProvider(
        CboeClient(settings.CBOE_URL, refresh_seconds=settings.CBOE_REFRESH_SECONDS)
    )
