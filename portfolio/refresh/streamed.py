"""Revalue an account from streamed values alone: no provider call, no budget.

Sources rank as in every other write (``portfolio.market_data.sources``): Greeks of a lesser source
do not replace better, fresh ones. For prices the newest wins. Nothing older than the stored value
is written, whichever stream it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final

from django.conf import settings
from django.db import transaction

from config.core.clock import market_now, now
from greeks.domain import Contract, Fetched, Greeks, GreeksSource, Snapshot
from greeks.instruments.identity import instrument_key
from greeks.instruments.store import contracts_of
from greeks.models import Instrument
from greeks.pricing.dividends import dividends_of
from greeks.pricing.expiry import known_closes
from greeks.providers.streamed_values import read_streamed
from portfolio.accounts.days import session_dates_of
from portfolio.book.position_row import PositionRow, stored_positions, write_positions
from portfolio.book.valuing import revalue_positions
from portfolio.book.writing_context import writing_context
from portfolio.domain import Broker
from portfolio.market_data.prices import complete_quote, stored_days
from portfolio.market_data.sources import MarketData, fetch_market_data, underlying_contracts
from portfolio.market_data.spots import known_spots
from portfolio.market_data.store import write_market_data
from portfolio.models import Account
from portfolio.sync.progress import announce_revaluation

SOURCES: Final[Mapping[Broker, GreeksSource]] = {
    Broker.IBKR: GreeksSource.IBKR,
    Broker.TASTY: GreeksSource.TASTYTRADE,
}


@dataclass(slots=True)
class StreamedProvider:
    """One stream's store, with the interface of a provider."""

    source: str

    def fetch_snapshots(self, contracts: Sequence[Contract]) -> Fetched[Snapshot]:
        found = read_streamed(
            self.source, contracts, newest_seconds=float(settings.STALE_AFTER_SECONDS)
        )
        return Fetched(items=tuple(found), source=self.source, as_of=now())

    def close(self) -> None:
        """Nothing to close: the store's connections belong to the process."""


def refresh_streamed(*, account_id: str) -> bool:
    """Revalue the account's holdings from streamed values. Returns whether anything changed.

    Quantities, cost and money stay as the last sync left them. Without Redis or streamed values,
    the last values stay with their age.
    """
    account = Account.objects.filter(pk=account_id, enabled=True).first()
    if account is None:
        return False
    held = {r.key: r for r in Instrument.objects.filter(positions__account=account).distinct()}
    market, instruments = _streamed_market(held, Broker(account.broker))
    if not (market.quotes or market.greeks):
        return False
    return _write(account.pk, market, instruments, session_dates_of(account))


def _streamed_market(
    held: Mapping[str, Instrument], broker: Broker
) -> tuple[MarketData, dict[str, Instrument]]:
    by_id = contracts_of(held.values())
    contracts = {key: by_id[row.pk] for key, row in held.items()}
    spots = {instrument_key(c): c for c in underlying_contracts(contracts.values())}
    known = {
        row.key: row for row in Instrument.objects.filter(key__in=spots.keys() - contracts.keys())
    }
    wanted = [*contracts.values(), *(spots[key] for key in known)]
    at = market_now()
    own = SOURCES[broker]
    market = fetch_market_data(
        adapter=StreamedProvider(own),
        contracts=wanted,
        others=lambda: [StreamedProvider(other) for other in SOURCES.values() if other is not own],
        marks={},
        known_spots=known_spots(known.values(), at=at),
        closes=known_closes(wanted),
        dividends=dividends_of(wanted),
        at=at,
    )
    return market, {**held, **known}


def _write(
    account_id: str,
    market: MarketData,
    instruments: dict[str, Instrument],
    session_date_at: Callable[[datetime], date],
) -> bool:
    keys = {row.pk: key for key, row in instruments.items()}
    with transaction.atomic():
        # With the row locked, so a sync's newer values are not overwritten.
        account = Account.objects.select_for_update().get(pk=account_id)
        stored = list(stored_positions(account_id).values())
        _keep_better(market, stored, keys, own=SOURCES[Broker(account.broker)])
        if not (market.quotes or market.greeks):
            return False
        context = writing_context(account=account, market=market, session_date_at=session_date_at)
        _complete_quotes(market, instruments, session_date_at)
        before = {row.key: copy(row) for row in stored}
        rows = revalue_positions(stored=stored, keys=keys, instruments=instruments, context=context)
        changed = [row for row in rows if row != before[row.key]]
        if not changed:
            return False
        # The stream's own loop stores prices (portfolio/streams/prices.py).
        write_market_data(
            market=replace(market, quotes={}),
            instruments=instruments,
            at=context.at,
            market_at=context.market_at,
        )
        write_positions(changed, keep_raw=True)
        account.book_version += 1
        Account.objects.filter(pk=account.pk).update(book_version=account.book_version)
        transaction.on_commit(partial(announce_revaluation, account.pk, account.book_version))
    return True


def _keep_better(
    market: MarketData, stored: Iterable[PositionRow], keys: Mapping[int, str], *, own: GreeksSource
) -> None:
    """Drop values the stored rows have better."""
    ranks = {source.value: rank for rank, source in enumerate(GreeksSource, 1)} | {own.value: 0}
    fresh_since = market_now() - timedelta(seconds=settings.STALE_AFTER_SECONDS)
    for row in stored:
        key = keys.get(row.instrument_id, "")
        quote, greeks = market.quotes.get(key), market.greeks.get(key)
        if quote is not None and row.price_as_of is not None and quote.as_of < row.price_as_of:
            del market.quotes[key]
        if greeks is not None and not _is_better(greeks, row, ranks, fresh_since):
            del market.greeks[key]


def _is_better(
    greeks: Greeks, row: PositionRow, ranks: Mapping[str, int], fresh_since: datetime
) -> bool:
    if row.greeks_as_of is None or row.delta_raw is None:
        return True
    if greeks.as_of < row.greeks_as_of:
        return False
    last = len(ranks)
    return (
        ranks.get(greeks.source, last) <= ranks.get(row.greeks_source, last)
        or row.greeks_last_known
        or row.greeks_as_of < fresh_since
    )


def _complete_quotes(
    market: MarketData,
    instruments: Mapping[str, Instrument],
    session_date_at: Callable[[datetime], date],
) -> None:
    """Fill fields a streamed quote lacks from the same day's stored quote."""
    ids = {name: instruments[name].pk for name in market.quotes.keys() & instruments.keys()}
    stored = stored_days(ids.values())
    for name, pk in ids.items():
        quote = market.quotes[name]
        market.quotes[name] = complete_quote(quote, stored.get(pk), session_date_at)
