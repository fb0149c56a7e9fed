"""Store the latest quotes and Greeks of contracts, and the minutes of their Greeks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from config.core.upsert import upsert
from greeks.domain import Greeks, Quote
from greeks.models import ContractGreeks, Instrument
from portfolio.amounts import fitting_amount, greek_number, spot_number, volatility_number
from portfolio.market_data.minutes import GREEK_COLUMNS, record_greeks_minute
from portfolio.market_data.sources import MarketData
from portfolio.models import Quote as StoredQuote

_QUOTE_COLUMNS = (
    "instrument_id", "symbol", "price", "bid", "ask", "opening_price", "previous_close", "volume",
    "open_interest", "source", "as_of",
)  # fmt: skip


def write_greeks(
    *,
    market: MarketData,
    instruments: Mapping[str, Instrument],
    at: datetime,
    market_at: datetime,
) -> None:
    """Store the latest Greeks and those of the minute. At most three statements.

    Runs in the book's transaction. Greeks older than the stored ones are skipped: another account
    may hold the same contracts. Rows are written in instrument order, so two accounts cannot
    deadlock. Prices are stored apart (``portfolio.market_data.prices``).
    """
    greeks = {
        instruments[key].pk: (found, market.inputs.get(key, {}))
        for key, found in market.greeks.items()
        if key in instruments
    }
    stored = dict(
        ContractGreeks.objects.filter(instrument__in=greeks).values_list("instrument_id", "as_of")
    )
    rows = [
        (pk, *greek_values(found, inputs))
        for pk, (found, inputs) in sorted(greeks.items())
        if pk not in stored or stored[pk] <= found.as_of
    ]
    upsert(
        ContractGreeks,
        ("instrument_id", *GREEK_COLUMNS, "updated_at"),
        [(*row, at) for row in rows],
        unique=("instrument_id",),
    )
    record_greeks_minute(rows, at=market_at)


def write_quotes(quotes: Mapping[int, Quote]) -> None:
    """Store quotes by instrument id, which are newer than the stored ones. One statement."""
    upsert(
        StoredQuote,
        _QUOTE_COLUMNS,
        [_quote_row(pk, quote) for pk, quote in sorted(quotes.items())],
        unique=("instrument_id",),
    )


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
    """Return the values of ``GREEK_COLUMNS``."""
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
        spot_number(greeks.underlying_price),
        greeks.source[:24],
        greeks.as_of,
        dict(inputs),
    )
