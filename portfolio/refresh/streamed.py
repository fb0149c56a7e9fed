"""Revalue accounts from streamed values alone: no provider call, no budget.

Sources rank as in every other write (``portfolio.market_data.sources``): Greeks of a lesser source
do not replace better, fresh ones. For prices the newest wins. Nothing older than the stored value
is written, whichever stream it came from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F

from config.core.clock import market_now, now
from greeks.domain import Contract, Fetched, Greeks, GreeksSource, Quote, Snapshot
from greeks.instruments.expiry import known_closes
from greeks.instruments.identity import instrument_key
from greeks.models import Instrument
from greeks.pricing.dividends import dividends_of
from greeks.providers.streamed_values import read_streamed
from portfolio.accounts.days import AccountSessions, session_dates_of
from portfolio.book.position_row import PositionRow, update_positions
from portfolio.book.valuing import revalue_positions
from portfolio.book.writing_context import WritingContext, recent_fills, writing_context
from portfolio.domain import Broker
from portfolio.market_data.checks import checked_quote
from portfolio.market_data.prices import StoredDay, complete_quote, stored_days
from portfolio.market_data.sources import MarketData, fetch_market_data
from portfolio.market_data.spots import known_spots
from portfolio.market_data.store import write_greeks
from portfolio.models import Account
from portfolio.refresh.chains import read_chains
from portfolio.refresh.holdings import Holdings, holdings_of, keep_holdings
from portfolio.refresh.modelled import MODEL, model_quotes
from portfolio.sync.progress import announce_revaluations

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


def refresh_streamed(*, account_ids: Collection[str]) -> frozenset[str]:
    """Revalue the accounts' holdings from streamed values, in one pass and one transaction.

    Returns the accounts of which anything changed. Quantities, cost and money stay as the last sync
    left them. Without Redis or streamed values, the last values stay with their age.
    """
    accounts = list(Account.objects.filter(pk__in=account_ids, enabled=True).order_by("pk"))
    held = holdings_of({account.pk: account.book_version for account in accounts})
    markets = {
        broker: _streamed_market([held[a.pk] for a in accounts if a.broker == broker], broker)
        for broker in {Broker(account.broker) for account in accounts}
    }
    moved = [a for a in accounts if markets[Broker(a.broker)].is_known]
    if not moved:
        return frozenset()
    return _write(markets, {account.pk: session_dates_of(account) for account in moved})


@dataclass(slots=True, kw_only=True)
class _Market:
    """Streamed values of a broker's accounts, and the day's figures of quotes that lack them."""

    data: MarketData
    modelled: Mapping[str, Quote]
    days: Mapping[str, StoredDay]

    @property
    def is_known(self) -> bool:
        return bool(self.data.quotes or self.data.greeks)


def _streamed_market(held: Sequence[Holdings], broker: Broker) -> _Market:
    contracts: dict[str, Contract] = {}
    instruments: dict[str, Instrument] = {}
    for each in held:
        contracts |= each.contracts
        instruments |= each.instruments
    positions = {key for each in held for key in each.keys.values()}
    wanted = list(contracts.values())
    at, closes, dividends = market_now(), known_closes(wanted), dividends_of(wanted)
    own = SOURCES[broker]
    chains = read_chains(wanted)
    data = fetch_market_data(
        adapter=StreamedProvider(own),
        contracts=wanted,
        others=lambda: [
            *(StreamedProvider(other) for other in SOURCES.values() if other is not own),
            *chains,
        ],
        marks={
            instrument_key(each.contract): checked_quote(each.quote)[0]
            for chain in reversed(chains)
            for each in chain.snapshots
            if each.quote is not None
        },
        known_spots=known_spots(
            [row for key, row in instruments.items() if key not in positions], at=at
        ),
        closes=closes,
        dividends=dividends,
        at=at,
    )
    modelled = model_quotes(held, data, at=at, closes=closes, dividends=dividends)
    lacking = {
        instruments[key].pk: key
        for key, quote in data.quotes.items()
        if quote.opening_price is None or quote.previous_close is None
    }
    days = {lacking[pk]: day for pk, day in stored_days(lacking).items()} if lacking else {}
    return _Market(data=data, modelled=modelled, days=days)


def _write(
    markets: Mapping[Broker, _Market], sessions: Mapping[str, AccountSessions]
) -> frozenset[str]:
    with transaction.atomic():
        # With the rows locked, so a sync's newer values are not overwritten.
        locked = Account.objects.select_for_update().filter(pk__in=sessions).order_by("pk")
        accounts = {account.pk: account for account in locked}
        held = holdings_of({pk: account.book_version for pk, account in accounts.items()})
        fills = recent_fills(accounts.keys())
        greeks = MarketData()
        changed: dict[str, list[tuple[PositionRow, PositionRow]]] = {}
        for pk, account in accounts.items():
            market = _better_than_held(
                markets[Broker(account.broker)], account, held[pk], sessions[pk]
            )
            context = writing_context(
                account=account, market=market, sessions=sessions[pk], fills=fills[pk]
            )
            changes = _revalued(held[pk], context)
            if changes:
                changed[pk] = changes
                _add_greeks(greeks, market)
        if not changed:
            return frozenset()
        instruments = {key: row for pk in changed for key, row in held[pk].instruments.items()}
        write_greeks(market=greeks, instruments=instruments, at=now(), market_at=market_now())
        update_positions([pair for pairs in changed.values() for pair in pairs])
        Account.objects.filter(pk__in=changed).update(book_version=F("book_version") + 1)
        newer = {
            pk: held[pk].moved([after for _, after in changes]) for pk, changes in changed.items()
        }
        transaction.on_commit(partial(_committed, newer))
    return frozenset(changed)


def _committed(newer: Mapping[str, Holdings]) -> None:
    for account_id, holdings in newer.items():
        keep_holdings(account_id, holdings)
    announce_revaluations({pk: holdings.version for pk, holdings in newer.items()})


def _revalued(held: Holdings, context: WritingContext) -> list[tuple[PositionRow, PositionRow]]:
    """Return what the market changes, as before and after."""
    pairs = []
    for before in held.rows:
        key = held.keys.get(before.instrument_id, "")
        quote = context.market.quotes.get(key)
        is_quoted = quote is not None and (
            quote.as_of != before.price_as_of or quote.price != before.price
        )
        is_known = before.delta_raw is not None and key not in context.market.greeks
        if is_quoted or not is_known or before.expiry is not None:
            pairs.append((before, copy(before)))
    revalue_positions(
        stored=[after for _, after in pairs],
        keys=held.keys,
        instruments=held.instruments,
        context=context,
    )
    return [(before, after) for before, after in pairs if before != after]


def _better_than_held(
    market: _Market, account: Account, held: Holdings, sessions: AccountSessions
) -> MarketData:
    """Return the market's values of what the account holds, without those it has better."""
    own = SOURCES[Broker(account.broker)]
    ranks = {source.value: rank for rank, source in enumerate(GreeksSource, 1)} | {own.value: 0}
    fresh_since = market_now() - timedelta(seconds=settings.STALE_AFTER_SECONDS)
    names = set(held.keys.values())
    quotes = {key: market.data.quotes[key] for key in names & market.data.quotes.keys()}
    greeks = {key: market.data.greeks[key] for key in names & market.data.greeks.keys()}
    for row in held.rows:
        key = held.keys.get(row.instrument_id, "")
        quote, found = quotes.get(key), greeks.get(key)
        if quote is not None and not _is_newer(quote, row):
            del quotes[key]
        modelled = market.modelled.get(key)
        if modelled is not None and _is_newer(modelled, row):
            quotes[key] = modelled
        if found is not None and not _is_better(found, row, ranks, fresh_since):
            del greeks[key]
    for key, day in market.days.items():
        if key in quotes:
            date_at = sessions.of(quotes[key].contract.currency).date_at
            quotes[key] = complete_quote(quotes[key], day, date_at)
    return replace(market.data, quotes=quotes, greeks=greeks)


def _add_greeks(written: MarketData, market: MarketData) -> None:
    """Add an account's Greeks to those that are stored; of two the newer."""
    for key, found in market.greeks.items():
        known = written.greeks.get(key)
        if known is None or known.as_of < found.as_of:
            written.greeks[key] = found
            written.inputs[key] = market.inputs.get(key, {})


def _is_newer(quote: Quote, row: PositionRow) -> bool:
    """An option's own price replaces the model's, which is as of a later move of another."""
    is_own = row.price_source == MODEL and quote.source != MODEL
    return is_own or row.price_as_of is None or quote.as_of >= row.price_as_of


def _is_better(
    greeks: Greeks, row: PositionRow, ranks: Mapping[str, int], fresh_since: datetime
) -> bool:
    if row.greeks_as_of is None or row.delta_raw is None:
        return True
    if greeks.as_of < row.greeks_as_of:
        return False
    if greeks.source == row.greeks_source == MODEL and greeks.as_of == row.greeks_as_of:
        # The same price of the option at another spot tells another volatility, a wrong one.
        return False
    last = len(ranks)
    return (
        ranks.get(greeks.source, last) <= ranks.get(row.greeks_source, last)
        or row.greeks_last_known
        or row.greeks_as_of < fresh_since
    )
