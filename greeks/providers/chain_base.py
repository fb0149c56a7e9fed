"""The interface of every provider of whole option chains."""

from __future__ import annotations

from datetime import date
from typing import Protocol

from greeks.chains import Listing, OptionChain


class ChainProvider(Protocol):
    """One vendor's option chains in our columns.

    ``instrument_key`` is the vendor's own key of an underlying (``NSE_INDEX|Nifty 50``, ``SPX``).
    Every method may raise the errors of ``config.core.errors``. A single bad row never raises: it
    comes back in ``rejected``, so that rows sent equal rows kept plus rows rejected.
    """

    #: Stored with every number of this provider, e.g. ``upstox``.
    source: str

    def fetch_listing(self, instrument_key: str) -> Listing:
        """Return the expiries that can be fetched, soonest first.

        Raises ``PermanentError`` for a key unknown to the vendor.
        """
        ...

    def fetch_chain(self, instrument_key: str, expiry: date) -> OptionChain:
        """Return every strike of one expiry, complete, with at least one contract.

        Raises ``MalformedResponse`` if the vendor sends no usable contract at all: an empty chain
        must not look like one whose sums are zero.
        """
        ...

    def close(self) -> None: ...
