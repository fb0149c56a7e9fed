"""Upstox over REST: whole option chains of Indian underlyings, and held contracts from them.

One chain serves every leg of an expiry, and unlike the vendor's ``option-greek`` it has bid and
ask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Final

from django.conf import settings

from config.core.clock import market_now
from config.core.errors import PermanentError, ProviderError
from config.core.http.responses import Answer
from greeks.chains import Listing, OptionChain
from greeks.domain import Contract, Fetched, RejectedRow, Snapshot
from greeks.providers.base import ClientProvider
from greeks.providers.chain_registry import register_chain_provider, underlyings_of
from greeks.providers.chain_snapshots import snapshots_of
from greeks.providers.registry import register_provider
from greeks.providers.upstox.chains import decode_chain
from greeks.providers.upstox.client import UpstoxClient
from greeks.providers.upstox.held import chains_of
from greeks.providers.upstox.listings import decode_listing
from greeks.providers.upstox.names import CURRENCY, INDEX_KEYS, SOURCE

CHAIN_PATH: Final = "/v2/option/chain"
CONTRACTS_PATH: Final = "/v2/option/contract"

#: Returns the vendor's keys of further underlyings by symbol.
Underlyings = Callable[[], Mapping[str, str]]


class UpstoxProvider(ClientProvider[UpstoxClient]):
    """``ChainProvider`` and ``SnapshotProvider`` for Upstox; counts its calls."""

    source = SOURCE

    def __init__(self, client: UpstoxClient, *, underlyings: Underlyings = dict) -> None:
        super().__init__(client)
        self._underlyings = underlyings

    def fetch_listing(self, instrument_key: str) -> Listing:
        """Return expiries and lot sizes of all listed contracts, in one call.

        Raises ``PermanentError`` if there are none.
        """

        def read(answer: Answer) -> Listing:
            return decode_listing(answer, instrument_key=instrument_key, as_of=market_now())

        listing = self._client.get(CONTRACTS_PATH, {"instrument_key": instrument_key}, read=read)
        if not listing.expiries:
            raise PermanentError(
                f"Upstox lists no option of {instrument_key[:64]!r} "
                f"({len(listing.rejected)} rows rejected).",
                provider=SOURCE,
            )
        return listing

    def fetch_chain(self, instrument_key: str, expiry: date) -> OptionChain:
        """Return the chain of one expiry, in one call.

        It is as old as its answer, because the vendor gives no time.
        """

        def read(answer: Answer) -> OptionChain:
            return decode_chain(
                answer, instrument_key=instrument_key, expiry=expiry, as_of=market_now()
            )

        parameters = {"instrument_key": instrument_key, "expiry_date": expiry.isoformat()}
        return self._client.get(CHAIN_PATH, parameters, read=read)

    def fetch_snapshots(self, contracts: Sequence[Contract]) -> Fetched[Snapshot]:
        """Return quotes and Greeks of the Indian options among the contracts.

        Their underlying is an index, or one whose chain the desk polls.
        ``left_out`` has, by underlying, what could not be asked for; nothing at all raises.
        """
        items: list[Snapshot] = []
        rejected: list[RejectedRow] = []
        left_out: dict[str, str] = {}
        error: ProviderError | None = None
        for (instrument_key, expiry), held in chains_of(contracts, self._keys(contracts)).items():
            # A refused chain says nothing about the next one; any other error does.
            if error is None or isinstance(error, PermanentError):
                try:
                    chain = self.fetch_chain(instrument_key, expiry)
                except ProviderError as failure:
                    error = failure
                else:
                    items += snapshots_of(chain, held)
                    rejected += chain.rejected
                    continue
            left_out[held[0].underlying] = error.message
        if error is not None and not items:
            raise error
        return Fetched(
            items=tuple(items),
            rejected=tuple(rejected),
            left_out=left_out,
            source=SOURCE,
            as_of=market_now(),
        )

    def _keys(self, contracts: Sequence[Contract]) -> Mapping[str, str]:
        indian = {each.underlying.upper() for each in contracts if each.currency == CURRENCY}
        if indian <= INDEX_KEYS.keys():
            return INDEX_KEYS
        return {**self._underlyings(), **INDEX_KEYS}


def is_configured() -> bool:
    """True with an analytics token, or with an app whose token the desk fetches itself."""
    app = settings.UPSTOX_API_KEY and settings.UPSTOX_API_SECRET
    return bool(settings.UPSTOX_ANALYTICS_TOKEN or app)


@register_chain_provider(SOURCE, is_configured=is_configured)
@register_provider(SOURCE, is_configured=is_configured)
def open_upstox() -> UpstoxProvider:
    return UpstoxProvider(
        UpstoxClient(settings.UPSTOX_URL, timeout=settings.PROVIDER_TIMEOUT_SECONDS),
        underlyings=lambda: underlyings_of(SOURCE),
    )
