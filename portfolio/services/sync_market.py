"""Storing market data that syncs and refreshes brought: quotes, Greeks, and their minutes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from greeks.domain import Greeks, Quote
from greeks.models import ContractGreeks, Instrument
from portfolio.models import Quote as StoredQuote
from portfolio.services.enrichment import MarketData
from portfolio.services.history import GREEK_COLUMNS, record_greeks_minute, record_price_bars
from portfolio.services.sync_checks import fitting_amount
from portfolio.services.sync_positions import greek_number, volatility_number
from portfolio.services.sync_rows import upsert

_QUOTE_COLUMNS = (
    "instrument_id", "symbol", "price", "bid", "ask", "opening_price", "previous_close", "volume",
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
        _QUOTE_COLUMNS,
        [_quote_row(pk, quote) for pk, quote in sorted(quotes.items())],
        unique=("instrument_id",),
    )
    fresh = sorted(_newer_greeks({pk: found for pk, (found, _) in greeks.items()}))
    rows = [(pk, *greek_values(*greeks[pk])) for pk in fresh]
    upsert(
        ContractGreeks,
        ("instrument_id", *GREEK_COLUMNS, "updated_at"),
        [(*row, at) for row in rows],
        unique=("instrument_id",),
    )
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


def _quote_row(instrument_id: int, quote: Quote) -> tuple[Any, ...]:
    return (
        instrument_id,
        quote.contract.symbol,
        fitting_amount(quote.price),
        quote.bid,
        quote.ask,
        quote.opening_price,
        quote.previous_close,
        quote.volume,
        quote.open_interest,
        quote.source[:24],
        quote.as_of,
    )


def greek_values(greeks: Greeks, inputs: Mapping[str, object]) -> tuple[Any, ...]:
    """The values of ``GREEK_COLUMNS``."""
    spot = greeks.underlying_price
    return (
        greek_number(greeks.delta),
        greek_number(greeks.gamma),
        greek_number(greeks.theta),
        greek_number(greeks.vega),
        volatility_number(greeks.implied_volatility),
        greeks.delta,
        greeks.gamma,
        greeks.theta,
        greeks.vega,
        greeks.implied_volatility,
        None if spot is None else fitting_amount(Decimal(repr(spot))),
        greeks.source[:24],
        greeks.as_of,
        dict(inputs),
    )
