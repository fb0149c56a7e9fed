"""Fetch everything a sync needs from the broker, step by step, outside any transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

import structlog
from django.conf import settings

from config.core.clock import market_now, now
from config.core.errors import CircuitOpen, ForbiddenError, ProviderError, UnauthorisedError
from greeks.domain import Contract, Quote, RejectedRow
from greeks.instruments.expiry import known_closes
from greeks.instruments.identity import instrument_key
from greeks.instruments.store import contracts_of, resolve_instruments
from greeks.models import ContractGreeks, Instrument
from greeks.pricing.dividends import dividends_of
from greeks.providers.base import SnapshotProvider
from greeks.providers.registry import configured_providers, open_provider
from portfolio.accounts.days import AccountSessions, session_dates_of
from portfolio.book.checked import Checked, CheckedPositions
from portfolio.brokers.base import BrokerAdapter
from portfolio.brokers.registry import open_adapter, registered_brokers
from portfolio.domain import AccountSummary, Broker, BrokerOrder, BrokerPosition
from portfolio.market_data.sources import (
    Freshness,
    MarketData,
    fetch_market_data,
    underlying_contracts,
)
from portfolio.market_data.spots import known_spots, oldest_usable
from portfolio.models import Account, SyncRun
from portfolio.sync.checks import check_orders, check_positions, check_summary

logger = structlog.get_logger(__name__)
Answer = TypeVar("Answer")

# After these, the account's other calls would fail too.
_HOPELESS = (UnauthorisedError, ForbiddenError, CircuitOpen)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedStep:
    step: SyncRun.Step
    code: str
    message: str


@dataclass(slots=True, kw_only=True)
class FetchedBook:
    """What the broker answered for one account. A failed step is ``None`` and is in ``failed``."""

    started_at: datetime
    source: str
    sessions: AccountSessions
    summary: AccountSummary | None = None
    positions: CheckedPositions | None = None
    orders: Checked[BrokerOrder] | None = None
    market: MarketData = field(default_factory=MarketData)
    instruments: Mapping[str, Instrument] = field(default_factory=dict)
    failed: list[FailedStep] = field(default_factory=list)
    notes: list[RejectedRow] = field(default_factory=list)


def fetch_book(
    *, account: Account, adapter: BrokerAdapter, step: Callable[[SyncRun.Step], None]
) -> FetchedBook:
    """Fetch one account's book. Provider errors are recorded per step, never raised.

    Stops if the positions fail: nothing else is useful without them.
    """
    book = FetchedBook(started_at=now(), source=adapter.source, sessions=session_dates_of(account))
    number = account.account_number
    step(SyncRun.Step.SUMMARY)
    summary = _try(book, SyncRun.Step.SUMMARY, lambda: adapter.fetch_account_summary(number))
    if summary is not None:
        book.summary, notes = check_summary(summary)
        book.notes += notes
    if any(failed.code in {error.code for error in _HOPELESS} for failed in book.failed):
        return book
    step(SyncRun.Step.POSITIONS)
    positions = _try(book, SyncRun.Step.POSITIONS, lambda: adapter.fetch_positions(number))
    if positions is None:
        return book
    book.positions = check_positions(positions)
    book.notes += book.positions.notes
    step(SyncRun.Step.ORDERS)
    orders = _try(book, SyncRun.Step.ORDERS, lambda: adapter.fetch_open_orders(number))
    if orders is not None:
        book.orders = check_orders(orders)
        book.notes += book.orders.notes
    step(SyncRun.Step.GREEKS)
    _fetch_market(book, adapter, Broker(account.broker))
    return book


def _try(book: FetchedBook, step: SyncRun.Step, call: Callable[[], Answer]) -> Answer | None:
    try:
        return call()
    except ProviderError as error:
        book.failed.append(FailedStep(step=step, code=error.code, message=error.message))
        return None


def _fetch_market(book: FetchedBook, adapter: BrokerAdapter, broker: Broker) -> None:
    assert book.positions is not None  # noqa: S101
    held = book.positions.kept
    if not held:
        return
    resolved = resolve_instruments(position.contract for position in held)
    marks = {instrument_key(p.contract): mark for p in held if (mark := _mark_of(p))}
    book.market, book.instruments = market_of(
        instruments=resolved, adapter=adapter, others=lambda: other_sources(broker), marks=marks
    )
    if book.market.error is not None:
        error = book.market.error
        book.failed.append(
            FailedStep(step=SyncRun.Step.GREEKS, code=error.code, message=error.message)
        )


def market_of(
    *,
    instruments: Mapping[str, Instrument],
    adapter: SnapshotProvider,
    others: Callable[[], Iterable[SnapshotProvider]],
    marks: Mapping[str, Quote],
    own: bool = True,
) -> tuple[MarketData, dict[str, Instrument]]:
    """Fetch market data for instruments and their underlyings; return it with all instruments.

    ``others`` and ``own`` as in ``fetch_market_data``.
    """
    by_id = contracts_of(instruments.values())
    contracts = {key: by_id[row.pk] for key, row in instruments.items()}
    marks = {key: replace(mark, contract=contracts[key]) for key, mark in marks.items()}
    underlyings = {
        key: contract
        for contract in underlying_contracts(contracts.values())
        if (key := instrument_key(contract)) not in contracts
    }
    known = {row.key: row for row in Instrument.objects.filter(key__in=underlyings)}
    stored = contracts_of(known.values())
    underlyings |= {row.key: stored[row.pk] for row in known.values()}
    at = market_now()
    data = fetch_market_data(
        adapter=adapter,
        contracts=[*contracts.values(), *underlyings.values()],
        others=others,
        marks=marks,
        known_spots=known_spots(known.values(), at=at),
        closes=known_closes([*contracts.values(), *underlyings.values()]),
        dividends=dividends_of(contracts.values()),
        at=at,
        freshness=lambda: freshness_of(contracts, at=at),
        own=own,
    )
    learned = _learned({**contracts, **underlyings}, data.quotes, known={*contracts, *known})
    return data, {
        **instruments,
        **known,
        **(resolve_instruments(learned) if learned else {}),
    }


def _learned(
    asked: Mapping[str, Contract], quotes: Mapping[str, Quote], *, known: Collection[str]
) -> list[Contract]:
    """Return contracts that are new or had to be looked up, to be stored for later processes."""
    return [
        quotes[key].contract
        for key, contract in asked.items()
        if key in quotes
        and (key not in known or quotes[key].contract.aliases.keys() - contract.aliases.keys())
    ]


def _mark_of(position: BrokerPosition) -> Quote | None:
    if position.price is None or position.price < 0:
        return None
    return Quote(
        contract=position.contract,
        source=position.source,
        as_of=position.as_of,
        mark=position.price,
        previous_close=position.previous_close,
    )


def freshness_of(contracts: Mapping[str, Contract], *, at: datetime) -> Freshness:
    """Return how fresh a fallback's numbers must be to be used. One query."""
    known = ContractGreeks.objects.filter(
        instrument__key__in=contracts,
        delta_raw__isnull=False,
        gamma_raw__isnull=False,
        vega_raw__isnull=False,
    )
    currencies = {contract.currency for contract in contracts.values()}
    return Freshness(
        known_since=dict(known.values_list("instrument__key", "as_of")),
        oldest={currency: oldest_usable(currency, at) for currency in currencies},
    )


def other_sources(broker: Broker, *, without: str = "") -> Iterable[SnapshotProvider]:
    """Open the sources for what the broker lacks, one at a time as needed.

    Other brokers set up here come first, then the market-data providers except ``without``. Sources
    that fail to open are skipped.
    """
    for other in registered_brokers():
        if other is broker or not _is_set_up(other):
            continue
        try:
            yield open_adapter(other)
        except ProviderError as error:
            logger.info("greeks_fallback_unavailable", broker=other.value, code=error.code)
    for name in configured_providers():
        if name != without:
            yield open_provider(name)


def _is_set_up(broker: Broker) -> bool:
    if broker is Broker.TASTY and settings.TASTYTRADE_REFRESH_TOKEN:
        return True
    return Account.objects.filter(broker=broker, enabled=True).exists()
