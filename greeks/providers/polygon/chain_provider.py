"""Polygon.io as a provider of whole option chains: the pages of one expiry, and the listing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from django.conf import settings

from config.core.clock import market_now
from config.core.errors import PermanentError
from greeks.chains import ListedExpiry, Listing, OptionChain
from greeks.domain import Contract, InstrumentKind, RejectedRow, Snapshot
from greeks.instruments.occ import OptionSymbolError
from greeks.providers.base import ClientProvider
from greeks.providers.chain_columns import KIND
from greeks.providers.chain_registry import register_chain_provider
from greeks.providers.decoding import BadRow, parse_integer, rejected_row
from greeks.providers.polygon.chains import ROWS_PER_PAGE, SNAPSHOT_PATH, ticker_of
from greeks.providers.polygon.client import PolygonClient, open_client
from greeks.providers.polygon.snapshots import decode_snapshot
from greeks.providers.polygon.tickers import (
    CURRENCY,
    SOURCE,
    parse_option_ticker,
    underlying_ticker,
)
from greeks.providers.snapshot_chain import chain_of_snapshots

#: A free plan has five calls a minute: list the nearest expiries; each page begins a new one.
_LISTING_PAGES: Final = 3


class PolygonChains(ClientProvider[PolygonClient]):
    """``ChainProvider`` for Polygon.io; counts its calls. Keys are our symbols (``SPX``)."""

    source = SOURCE

    def fetch_listing(self, instrument_key: str) -> Listing:
        """Return the nearest expiries.

        There are at least three, or all if an underlying has few contracts.
        """
        lots: dict[date, int | None] = {}
        rejected: list[RejectedRow] = []
        for _ in range(_LISTING_PAGES):
            after = {"expiration_date.gt": max(lots).isoformat()} if lots else {}
            parameters = {"contract_type": "call", "sort": "expiration_date", **after}
            rows, more = next(self._pages(instrument_key, parameters))
            known = len(lots)
            for row in rows:
                try:
                    expiry, lot_size = _listed(row)
                except BadRow as error:
                    rejected.append(rejected_row(KIND, error.reason, row))
                else:
                    lots.setdefault(expiry, lot_size)
            if not more or len(lots) == known:
                break
        if not lots:
            raise PermanentError(
                f"Polygon.io lists no option of {instrument_key[:32]!r}.", provider=SOURCE
            )
        return Listing(
            source=SOURCE,
            instrument_key=instrument_key,
            expiries=tuple(
                ListedExpiry(expiry=expiry, lot_size=lots[expiry]) for expiry in sorted(lots)
            ),
            as_of=market_now(),
            rejected=tuple(rejected),
        )

    def fetch_chain(self, instrument_key: str, expiry: date) -> OptionChain:
        """Return every page of the expiry, or an error. Open interest is the previous day's."""
        parameters = {"expiration_date": expiry.isoformat(), "sort": "strike_price"}
        rows = [row for page, _ in self._pages(instrument_key, parameters) for row in page]
        snapshots: list[Snapshot] = []
        sent: list[Any] = []
        rejected: list[RejectedRow] = []
        for row in rows:
            try:
                snapshots.append(_snapshot(row, instrument_key, expiry))
            except BadRow as error:
                rejected.append(rejected_row(KIND, error.reason, row))
            else:
                sent.append(row)
        return chain_of_snapshots(
            snapshots,
            keys=[each.contract.aliases[SOURCE] for each in snapshots],
            source=SOURCE,
            instrument_key=instrument_key,
            expiry=expiry,
            spot=_spot(snapshots),
            payload=sent.__getitem__,
            rejected=rejected,
        )

    def _pages(self, instrument_key: str, parameters: Mapping[str, str]) -> Any:
        path = SNAPSHOT_PATH + quote(underlying_ticker(instrument_key), safe=":.")
        asked = {"order": "asc", "limit": ROWS_PER_PAGE, **parameters}
        return self._client.pages(path, asked, within=SNAPSHOT_PATH, what=instrument_key)


def _snapshot(row: Any, underlying: str, expiry: date) -> Snapshot:
    ticker = ticker_of(row)
    if ticker is None:
        raise BadRow("details.ticker: not an option's ticker")
    symbol = parse_option_ticker(ticker)
    if symbol.expiry != expiry:
        raise BadRow(f"details.ticker: {ticker} was not asked for")
    contract = Contract(
        kind=InstrumentKind.OPTION,
        symbol=symbol.occ,
        underlying=underlying,
        root=symbol.root,
        multiplier=Decimal(100),
        currency=CURRENCY,
        expiry=symbol.expiry,
        strike=symbol.strike,
        right=symbol.right,
        aliases={SOURCE: ticker},
    )
    return decode_snapshot(row, contracts={ticker: contract})


def _spot(snapshots: Sequence[Snapshot]) -> float | None:
    prices = (each.greeks.underlying_price for each in snapshots if each.greeks)
    return next((price for price in prices if price is not None), None)


def _listed(row: Any) -> tuple[date, int | None]:
    """Return the expiry and lot size in a row of a chain."""
    details = row.get("details") if isinstance(row, Mapping) else None
    if not isinstance(details, Mapping):
        raise BadRow("details: missing")
    try:
        expiry = parse_option_ticker(details.get("ticker")).expiry
    except OptionSymbolError as error:
        raise BadRow(f"details.ticker: {error}") from None
    return expiry, parse_integer(details.get("shares_per_contract"), "details.shares_per_contract")


@register_chain_provider(SOURCE, is_configured=lambda: bool(settings.POLYGON_API_KEY))
def open_polygon_chains() -> PolygonChains:
    return PolygonChains(open_client())
