"""Prices on their way to ``quotes`` and ``price_bars``, streamed or polled, apart from any book.

Noting only changes memory and cannot fail for the database's sake; writing takes everything noted
so far, in bulk. What could not be written is kept and written with what came since. So whatever
keeps a book from being written, its prices are stored, and the other way round.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import structlog
from django.db import DatabaseError, transaction

from config.core.clock import market_now
from config.core.errors import ApplicationError
from config.core.redis.process_copies import ProcessCopies
from greeks.calendar.exchanges import EXCHANGES, NYSE
from greeks.calendar.sessions import session_dates
from greeks.domain import Quote
from greeks.instruments.identity import instrument_key
from greeks.models import Instrument
from portfolio.accounts.days import minute_of
from portfolio.market_data.checks import checked_quote
from portfolio.market_data.minutes import BarPart, fold_price_bars
from portfolio.market_data.store import write_quotes
from portfolio.models import Quote as StoredQuote

logger = structlog.get_logger(__name__)
#: The session date of a time, by the currency of what trades.
SessionDates = Mapping[str, Callable[[datetime], date]]

#: Fields a quote event may lack that the day's earlier quote has.
OF_THE_DAY: Final = ("opening_price", "previous_close", "volume", "open_interest")
#: Bars that wait for the database; ten minutes of the largest book.
MOST_BARS: Final = 20_000
# Whose sessions say when the day's figures begin anew, for currencies without an exchange here.
_OTHERS: Final = NYSE.currency


@dataclass(slots=True)
class _Noted:
    """What waits: the newest quote by instrument key, the bars by key and minute."""

    quotes: dict[str, Quote]
    bars: dict[tuple[str, datetime], BarPart]


class NotedPrices:
    """Prices of one process that wait to be written. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, tuple[datetime, Decimal]] = {}
        self._noted = _Noted({}, {})
        # Identities never change: only what is new is looked up.
        self._ids: dict[str, int] = {}

    def note(self, quotes: Iterable[Quote], *, at: datetime) -> None:
        """Take the prices into the minute of ``at``. The same again changes nothing."""
        minute = minute_of(at)
        checked = [checked_quote(received)[0] for received in quotes]
        with self._lock:
            last, noted = self._last, self._noted
            for quote in checked:
                price = quote.price
                if price is None:
                    continue
                name, as_of = instrument_key(quote.contract), quote.as_of
                known = last.get(name)
                if known is not None and (as_of < known[0] or (as_of, price) == known):
                    continue
                last[name] = (as_of, price)
                noted.quotes[name] = quote
                bar = noted.bars.get((name, minute))
                if bar is None:
                    noted.bars[name, minute] = BarPart.of(quote, price)
                else:
                    bar.add(quote, price)

    @property
    def waits(self) -> bool:
        """Whether anything waits to be written."""
        return bool(self._noted.quotes)

    def write(self, *, dates: SessionDates) -> int:
        """Write what was noted; return how many instruments had news. Four statements.

        Raises ``DatabaseError`` and then keeps everything for the next time.
        """
        with self._lock:
            taken, self._noted = self._noted, _Noted({}, {})
        try:
            with transaction.atomic():
                _write(taken, self._known_ids(taken.quotes.keys()), dates)
        except BaseException:
            # One may have been removed.
            self._ids = {}
            self._give_back(taken)
            raise
        return len(taken.quotes)

    def _known_ids(self, names: Collection[str]) -> Mapping[str, int]:
        unknown = [name for name in names if name not in self._ids]
        if unknown:
            rows = Instrument.objects.filter(key__in=unknown).order_by()
            self._ids |= dict(rows.values_list("key", "pk"))
        return self._ids

    def _give_back(self, taken: _Noted) -> None:
        with self._lock:
            newer, self._noted = self._noted, taken
            self._noted.quotes |= newer.quotes
            for place, bar in newer.bars.items():
                older = self._noted.bars.get(place)
                self._noted.bars[place] = bar if older is None else older.followed_by(bar)
            surplus = len(self._noted.bars) - MOST_BARS
            for place in sorted(self._noted.bars, key=lambda each: each[1])[: max(0, surplus)]:
                del self._noted.bars[place]
        if surplus > 0:
            logger.warning("prices.forgotten", bars=surplus)


_processes: Final = ProcessCopies(NotedPrices)


def note_prices(quotes: Iterable[Quote]) -> None:
    """Keep the prices until they are written. Never raises."""
    try:
        _of_process().note(quotes, at=market_now())
    except Exception:
        logger.exception("prices.not_noted")


def write_prices() -> int:
    """Write this process's prices; return how many instruments changed. Failures are kept."""
    noted = _of_process()
    if not noted.waits:
        return 0
    try:
        dates = {each.currency: session_dates(each.name) for each in EXCHANGES.values()}
        return noted.write(dates=dates)
    except (DatabaseError, ApplicationError) as error:
        logger.warning("prices.not_stored", reason=type(error).__name__)
        return 0


def store_prices(quotes: Iterable[Quote]) -> None:
    """Note and write the prices that a poll fetched. Call it outside of the book's transaction."""
    note_prices(quotes)
    write_prices()


def _of_process() -> NotedPrices:
    with _processes.lock:
        return _processes.get("prices")


def _write(taken: _Noted, ids: Mapping[str, int], dates: SessionDates) -> None:
    quotes = {ids[name]: quote for name, quote in taken.quotes.items() if name in ids}
    stored = stored_days(quotes.keys())
    write_quotes(
        {
            pk: complete_quote(
                quote,
                stored.get(pk),
                dates.get(quote.contract.currency, dates[_OTHERS]),
            )
            for pk, quote in quotes.items()
            if pk not in stored or stored[pk].as_of <= quote.as_of
        }
    )
    fold_price_bars(
        {(ids[name], minute): bar for (name, minute), bar in taken.bars.items() if name in ids}
    )


@dataclass(frozen=True, slots=True)
class StoredDay:
    """A stored quote's time and its figures of the day."""

    as_of: datetime
    figures: Mapping[str, Any]


def stored_days(instrument_ids: Collection[int]) -> dict[int, StoredDay]:
    """Return what is stored, by instrument id. One query."""
    rows = StoredQuote.objects.filter(instrument__in=instrument_ids).values_list(
        "instrument_id", "as_of", *OF_THE_DAY
    )
    return {
        pk: StoredDay(as_of, dict(zip(OF_THE_DAY, values, strict=True)))
        for pk, as_of, *values in rows
    }


def known_prices(
    instrument_ids: Collection[int],
) -> dict[int, tuple[Decimal, datetime, str]]:
    """Return the stored price, its time and its source, by instrument id. At most one query."""
    rows = StoredQuote.objects.filter(instrument__in=instrument_ids, price__isnull=False)
    found = rows.values_list("instrument_id", "price", "as_of", "source") if instrument_ids else ()
    return {pk: (price, as_of, source) for pk, price, as_of, source in found if price is not None}


def complete_quote(
    quote: Quote, stored: StoredDay | None, session_date_at: Callable[[datetime], date]
) -> Quote:
    """Fill fields that a streamed quote lacks from the same session's stored quote."""
    lacking = [name for name in OF_THE_DAY if getattr(quote, name) is None]
    if stored is None or not lacking:
        return quote
    if session_date_at(stored.as_of) != session_date_at(quote.as_of):
        return quote
    return replace(quote, **{name: stored.figures[name] for name in lacking})
