"""Gather what was known at each of many fills, in about a dozen queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.db.models import OuterRef

from config.core.clock import now
from greeks.calendar.exchanges import exchange_of_currency
from greeks.domain import Contract, Quote
from greeks.instruments.expiry import known_closes
from greeks.instruments.identity import instrument_key
from greeks.instruments.store import contracts_of
from greeks.models import Instrument
from greeks.pricing.model import model_greeks
from greeks.underlyings import key_of_row
from portfolio.exposure.columns import LINEAR_KINDS, OPTION_KINDS
from trades.contexts.market_then import (
    BookThen,
    GreeksThen,
    PriceThen,
    books_of_rows,
    greeks_of_rows,
    latest_greeks,
    latest_prices,
    newest,
    prices_at,
    spots_of_options,
    underlyings_of,
)
from trades.models import EntryContext, TradeExecution
from trades.regimes.reading import KnownRegimes, RankThen, RegimeThen
from trades.regimes.volatility_indices import MARKET_INDEX, volatility_index_of

#: The oldest that a number may be at the fill.
GREEKS_AGE: Final = timedelta(minutes=15)
BOOK_AGE: Final = timedelta(hours=1)
#: Recorded and captured within this time of the fill: live.
LIVE: Final = timedelta(minutes=5)
_EXECUTION_TIME: Final = OuterRef("execution_time")
_MINUTES: Final = int(GREEKS_AGE.total_seconds() // 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What was known at one fill. ``None``: it was not."""

    execution: TradeExecution
    greeks: GreeksThen | None
    underlying: PriceThen | None
    book: BookThen | None
    rank: RankThen | None
    regime: RegimeThen | None

    def values(self, *, at: datetime) -> dict[str, Any]:
        """Return the columns of ``EntryContext`` by name; ``at`` is when it was gathered."""
        greeks, underlying, book = self.greeks, self.underlying, self.book
        live = at - self.execution.execution_time <= LIVE
        kinds = EntryContext.Captured
        return {
            "execution_id": self.execution.pk,
            "captured": (kinds.LIVE if live else kinds.REBUILT).value,
            "captured_at": at,
            "dte": days_to_expiry(self.execution.instrument, self.execution.execution_time),
            "delta": greeks and greeks.delta,
            "gamma": greeks and greeks.gamma,
            "theta": greeks and greeks.theta,
            "vega": greeks and greeks.vega,
            "implied_volatility": greeks and greeks.implied_volatility,
            "greeks_source": greeks.source if greeks else "",
            "greeks_as_of": greeks and greeks.as_of,
            "underlying_price": underlying and underlying.price,
            "underlying_source": underlying.source if underlying else "",
            "underlying_as_of": underlying and underlying.as_of,
            "iv_rank": self.rank and self.rank.rank,
            "iv_rank_source": self.rank.symbol if self.rank else "",
            "iv_rank_as_of": self.rank and self.rank.as_of,
            "net_liquidation": book and book.net_liquidation,
            "book_dollar_delta": book and book.dollar_delta,
            "book_dollar_gamma": book and book.dollar_gamma,
            "book_theta": book and book.theta,
            "book_vega": book and book.vega,
            "book_source": book.source if book else "",
            "book_as_of": book and book.as_of,
            "regime": self.regime.regime if self.regime else "",
            "regime_source": self.regime.symbol if self.regime else "",
            "regime_rule": self.regime and self.regime.rule_version,
            "regime_as_of": self.regime and self.regime.as_of,
        }


def capture(executions: Sequence[TradeExecution]) -> list[Captured]:
    """Gather for fills, read with their instruments, what was known at each instant."""
    if not executions:
        return []
    rows = TradeExecution.objects.filter(pk__in=[row.pk for row in executions])
    held = [row for row in executions if row.instrument.kind in OPTION_KINDS]
    stored_greeks = greeks_of_rows(rows, instrument="instrument", at=_EXECUTION_TIME)
    cached_greeks = latest_greeks(row.instrument_id for row in held)
    greeks = {
        row.pk: newest(
            stored_greeks.get(row.pk),
            cached_greeks.get(row.instrument_id),
            at=row.execution_time,
            oldest=GREEKS_AGE,
        )
        for row in held
    }
    prices = _underlying_prices(executions, greeks)
    lacking = [row for row in held if greeks[row.pk] is None and row.pk in prices]
    greeks |= _model_greeks(lacking, prices)
    books = books_of_rows(rows, account="account", at=_EXECUTION_TIME)
    regimes = _known_regimes(executions)
    return [
        Captured(
            execution=row,
            greeks=greeks.get(row.pk),
            underlying=prices.get(row.pk),
            book=newest(books.get(row.pk), at=row.execution_time, oldest=BOOK_AGE),
            rank=_rank(row, regimes),
            regime=_regime(row, regimes),
        )
        for row in executions
    ]


def days_to_expiry(instrument: Instrument, at: datetime) -> int | None:
    """Return calendar days from the instant's day, where the contract trades, to its expiry."""
    if instrument.expiry is None:
        return None
    return (instrument.expiry - trading_day(instrument.currency, at)).days


def trading_day(currency: str, at: datetime) -> date:
    """Return the date where a currency's exchange is; UTC without one."""
    exchange = exchange_of_currency(currency)
    return at.astimezone(exchange.zone if exchange else UTC).date()


def _underlying_prices(
    executions: Sequence[TradeExecution], greeks: dict[int, GreeksThen | None]
) -> dict[int, PriceThen]:
    """Return the newest price of each fill's underlying; a share's own fill is its price."""
    keys = {row.pk: key_of_row(row.instrument) for row in executions}
    places = underlyings_of(row.instrument for row in executions)
    options = [row for row in executions if row.instrument.kind in OPTION_KINDS]
    quotes = latest_prices(places.values())
    bars = prices_at(
        [(places[keys[row.pk]], row.execution_time) for row in options if keys[row.pk] in places],
        minutes=_MINUTES,
    )
    found: dict[int, PriceThen] = {}
    for row in options:
        place = places.get(keys[row.pk])
        price = newest(
            bars.get((place, row.execution_time)),
            quotes.get(place) if place is not None else None,
            known.spot if (known := greeks.get(row.pk)) else None,
            at=row.execution_time,
            oldest=GREEKS_AGE,
        )
        if price is not None:
            found[row.pk] = price
    lacking = [row for row in options if row.pk not in found]
    spots = spots_of_options(
        [(keys[row.pk], row.execution_time) for row in lacking],
        underlyings={row.instrument.underlying for row in lacking},
        minutes=_MINUTES,
    )
    for row in lacking:
        spot = spots.get((keys[row.pk], row.execution_time))
        price = newest(spot, at=row.execution_time, oldest=GREEKS_AGE)
        if price is not None:
            found[row.pk] = price
    for row in executions:
        if row.instrument.kind in LINEAR_KINDS and row.price and row.kind == "trade":
            found[row.pk] = PriceThen(price=row.price, source=row.source, as_of=row.execution_time)
    return found


def _model_greeks(
    executions: Sequence[TradeExecution], prices: dict[int, PriceThen]
) -> dict[int, GreeksThen]:
    """Return the model's Greeks at the price of the fill, where the underlying's is known.

    Of trades only: other events have no market price. Without dividends.
    """
    trades = [row for row in executions if row.kind == "trade" and row.price]
    contracts = contracts_of({row.instrument_id: row.instrument for row in trades}.values())
    closes = known_closes(contracts.values())
    found = {}
    for row in trades:
        contract = contracts[row.instrument_id]
        key = instrument_key(contract)
        model = model_greeks(
            wanted=[key],
            quotes={key: _fill_as_quote(row, contract)},
            spots={key_of_row(row.instrument): float(prices[row.pk].price)},
            at=row.execution_time,
            closes=closes,
        ).get(key)
        if model is not None:
            greeks = model.greeks
            found[row.pk] = GreeksThen(
                delta=greeks.delta,
                gamma=greeks.gamma,
                theta=greeks.theta,
                vega=greeks.vega,
                implied_volatility=greeks.implied_volatility,
                underlying_price=prices[row.pk].price,
                source=greeks.source,
                as_of=row.execution_time,
            )
    return found


def _fill_as_quote(row: TradeExecution, contract: Contract) -> Quote:
    return Quote(contract=contract, source=row.source, as_of=row.execution_time, mark=row.price)


def _known_regimes(executions: Iterable[TradeExecution]) -> KnownRegimes:
    indices = {volatility_index_of(row.instrument.underlying) for row in executions}
    return KnownRegimes(
        regimes=set(MARKET_INDEX.values()),
        ranks={index for index in indices if index},
        days=[trading_day(row.currency, row.execution_time) for row in executions],
    )


def _regime(row: TradeExecution, known: KnownRegimes) -> RegimeThen | None:
    symbol = MARKET_INDEX.get(row.currency)
    day = trading_day(row.currency, row.execution_time)
    return known.regime_before(symbol, day) if symbol else None


def _rank(row: TradeExecution, known: KnownRegimes) -> RankThen | None:
    symbol = volatility_index_of(row.instrument.underlying)
    day = trading_day(row.currency, row.execution_time)
    return known.rank_before(symbol, day) if symbol else None


def captured_now(executions: Sequence[TradeExecution]) -> list[dict[str, Any]]:
    """Return ``capture`` as columns of ``EntryContext``."""
    at = now()
    return [each.values(at=at) for each in capture(executions)]
