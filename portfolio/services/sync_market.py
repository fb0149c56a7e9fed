"""Storing market data that syncs and refreshes brought: quotes, Greeks, and their minutes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal

from greeks.domain import Greeks, Quote
from greeks.models import ContractGreeks, Instrument
from portfolio.models import Quote as StoredQuote
from portfolio.services.enrichment import MarketData
from portfolio.services.history import GREEK_COLUMNS, record_greeks_minute, record_price_bars
from portfolio.services.sync_checks import fitting_amount
from portfolio.services.sync_positions import greek_number, volatility_number
from portfolio.services.sync_rows import upsert

_QUOTE_COLUMNS = (
    "symbol", "price", "bid", "ask", "opening_price", "previous_close", "volume",
    "open_interest", "source", "as_of",
)  # fmt: skip


def write_market_data(
    *,
    market: MarketData,
    instruments: Mapping[str, Instrument],
    at: datetime,
    market_at: datetime,
) -> None:
    """Store quotes, the latest Greeks, and the minute's bars and Greeks. Six statements at most.

    Runs in the transaction of the book. Values older than the stored ones are left out: another
    account may hold the same contracts. Rows are written in the order of their instruments, so
    that two accounts never wait for each other crosswise.
    """
    quotes = {
        instruments[key].pk: quote
        for key, quote in market.quotes.items()
        if key in instruments and quote.price is not None
    }
    greeks = {
        instruments[key].pk: (found, market.inputs.get(key, {}))
        for key, found in market.greeks.items()
        if key in instruments
    }
    quotes = {pk: quotes[pk] for pk in _newer_quotes(quotes)}
    upsert(
        StoredQuote,
        [_quote_row(pk, quote) for pk, quote in sorted(quotes.items())],
        unique=("instrument",),
        update=_QUOTE_COLUMNS,
    )
    fresh = sorted(_newer_greeks({pk: found for pk, (found, _) in greeks.items()}))
    rows = [_greeks_row(pk, *greeks[pk], at=at) for pk in fresh]
    upsert(ContractGreeks, rows, unique=("instrument",), update=(*GREEK_COLUMNS, "updated_at"))
    record_greeks_minute(rows, at=market_at)
    record_price_bars(quotes, at=market_at)


def _newer_quotes(quotes: Mapping[int, Quote]) -> Collection[int]:
    stored = dict(
        StoredQuote.objects.filter(instrument__in=quotes).values_list("instrument_id", "as_of")
    )
    return [pk for pk, quote in quotes.items() if pk not in stored or stored[pk] <= quote.as_of]


def _newer_greeks(greeks: Mapping[int, Greeks]) -> Collection[int]:
    stored = dict(
        ContractGreeks.objects.filter(instrument__in=greeks).values_list("instrument_id", "as_of")
    )
    return [pk for pk, found in greeks.items() if pk not in stored or stored[pk] <= found.as_of]


def _quote_row(instrument_id: int, quote: Quote) -> StoredQuote:
    return StoredQuote(
        instrument_id=instrument_id,
        symbol=quote.contract.symbol,
        price=fitting_amount(quote.price),
        bid=quote.bid,
        ask=quote.ask,
        opening_price=quote.opening_price,
        previous_close=quote.previous_close,
        volume=quote.volume,
        open_interest=quote.open_interest,
        source=quote.source[:24],
        as_of=quote.as_of,
    )


def _greeks_row(
    instrument_id: int, greeks: Greeks, inputs: Mapping[str, object], *, at: datetime
) -> ContractGreeks:
    spot = greeks.underlying_price
    return ContractGreeks(
        instrument_id=instrument_id,
        delta=greek_number(greeks.delta),
        gamma=greek_number(greeks.gamma),
        theta=greek_number(greeks.theta),
        vega=greek_number(greeks.vega),
        implied_volatility=volatility_number(greeks.implied_volatility),
        delta_raw=greeks.delta,
        gamma_raw=greeks.gamma,
        theta_raw=greeks.theta,
        vega_raw=greeks.vega,
        implied_volatility_raw=greeks.implied_volatility,
        underlying_price=None if spot is None else fitting_amount(Decimal(repr(spot))),
        source=greeks.source[:24],
        as_of=greeks.as_of,
        inputs=dict(inputs),
        updated_at=at,
    )
