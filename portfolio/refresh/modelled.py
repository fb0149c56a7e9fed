"""Prices of held options by the model, while their underlying moves and no broker prices them.

Such a price is marked ``model``, as of the underlying's. It never is an option's own price: the
next own one replaces it, and is what the model moves from again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from greeks.domain import Contract, Greeks, GreeksSource, Quote
from greeks.instruments.expiry import SessionCloses
from greeks.pricing.dividends import KnownDividends
from greeks.pricing.moved import MovedOption, moved_prices
from greeks.underlyings import underlying_key
from portfolio.amounts import fitting_amount
from portfolio.book.position_row import PositionRow
from portfolio.market_data.prices import known_prices
from portfolio.market_data.sources import MarketData
from portfolio.refresh.holdings import Holdings

MODEL: Final = GreeksSource.MODEL.value
#: An option's own price is believed this long beside a newer one of its underlying.
MODEL_AFTER: Final = timedelta(seconds=5)
#: Volatility and spot are those of a price if they are no farther from it than this: a move between
#: them would be counted twice.
_SAME_MOMENT: Final = MODEL_AFTER


def model_quotes(
    held: Iterable[Holdings],
    data: MarketData,
    *,
    at: datetime,
    closes: SessionCloses,
    dividends: KnownDividends,
) -> dict[str, Quote]:
    """Price the options whose underlying has moved since their own price, by instrument key.

    One query if any row is by the model.
    """
    rows: dict[str, PositionRow] = {}
    contracts: dict[str, Contract] = {}
    for each in held:
        for row in each.rows:
            key = each.keys.get(row.instrument_id)
            if key is not None and row.right:
                rows[key], contracts[key] = _newer(rows.get(key), row), each.contracts[key]
    if not rows:
        return {}
    stored = known_prices({row.instrument_id for row in rows.values() if row.price_source == MODEL})
    spots = {
        underlying_key(quote.contract): quote
        for quote in data.quotes.values()
        if not quote.contract.is_option and quote.price is not None and quote.price > 0
    }
    moved: dict[str, MovedOption] = {}
    for key, row in rows.items():
        contract = contracts[key]
        spot = spots.get(underlying_key(contract))
        last = _last_own(contract, row, data.quotes.get(key), stored.get(row.instrument_id))
        if last is None or spot is None or spot.price is None:
            continue
        if spot.as_of - last.as_of < MODEL_AFTER:
            continue
        known = _known_then(row, data.greeks.get(key), last.as_of)
        if known is not None:
            moved[key] = MovedOption(
                quote=last, volatility=known[0], spot=known[1], moved_to=float(spot.price)
            )
    prices = moved_prices(moved, at=at, closes=closes, dividends=dividends)
    return {
        key: Quote(
            contract=contracts[key],
            source=MODEL,
            as_of=spots[underlying_key(contracts[key])].as_of,
            mark=fitting_amount(Decimal(repr(round(price, 6)))),
        )
        for key, price in prices.items()
    }


def _newer(known: PositionRow | None, row: PositionRow) -> PositionRow:
    if known is None or known.price_as_of is None:
        return row
    is_newer = row.price_as_of is not None and row.price_as_of > known.price_as_of
    return row if is_newer else known


def _last_own(
    contract: Contract,
    row: PositionRow,
    streamed: Quote | None,
    stored: tuple[Decimal, datetime, str] | None,
) -> Quote | None:
    """Return the option's newest price that is not the model's."""
    if row.price_source != MODEL and row.price is not None and row.price_as_of is not None:
        stored = (row.price, row.price_as_of, row.price_source)
    is_priced = streamed is not None and streamed.price is not None
    if stored is None or (streamed is not None and is_priced and streamed.as_of > stored[1]):
        return streamed if is_priced else None
    price, as_of, source = stored
    return Quote(contract=contract, source=source, as_of=as_of, mark=price)


def _known_then(row: PositionRow, fresh: Greeks | None, at: datetime) -> tuple[float, float] | None:
    """Return volatility and spot as known at the time of the price; ``None`` if unknown."""
    known = []
    if row.iv_raw and row.underlying_price and row.greeks_as_of is not None:
        known.append((row.greeks_as_of, row.iv_raw, float(row.underlying_price)))
    if fresh is not None and fresh.implied_volatility and fresh.underlying_price:
        known.append((fresh.as_of, fresh.implied_volatility, fresh.underlying_price))
    # Of two as near, the first known: a spot that came later is not that of then.
    nearest = min(known, key=lambda each: abs(each[0] - at), default=None)
    if nearest is None or abs(nearest[0] - at) > _SAME_MOMENT:
        return None
    return nearest[1], nearest[2]
