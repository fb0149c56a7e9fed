"""Tastytrade over REST: accounts, balances, positions, orders, transactions, quotes and Greeks.

Answers come in a ``data`` envelope with kebab-case names. Protocol sources:
developer.tastytrade.com and recorded answers. Reads only; cannot place an order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import structlog
from django.conf import settings

from auth_tokens.broker_tokens.manager import ProviderToken
from config.core.clock import market_now, now
from config.core.errors import MalformedResponse, ProviderError
from config.core.http.caller import HttpCaller
from greeks.domain import Contract, Deliverable, Fetched, Snapshot
from greeks.providers.decoding import decode_rows
from greeks.providers.tastytrade_dxlink.token import StreamerToken
from portfolio.brokers.base import BrokerAdapter
from portfolio.brokers.tastytrade.account import (
    decode_account,
    decode_balances,
    decode_position,
    is_closed,
    is_closed_position,
    is_future_option,
    lacks_expiry,
)
from portfolio.brokers.tastytrade.contracts import (
    CURRENCY,
    MARKET_DATA_PARAMETERS,
    SOURCE,
    items_of,
)
from portfolio.brokers.tastytrade.deliverables import adjusted_underlyings, decode_deliverables
from portfolio.brokers.tastytrade.future_symbols import (
    Futures,
    FutureTerms,
    decode_terms,
    futures_of,
)
from portfolio.brokers.tastytrade.market_data import (
    BATCH_SIZE,
    decode_snapshot,
    decode_streamer_token,
    fetch_streamer_symbols,
    fresh_streamed,
    tastytrade_symbol,
)
from portfolio.brokers.tastytrade.orders import decode_order
from portfolio.brokers.tastytrade.transactions import decode_transaction
from portfolio.domain import (
    AccountEvent,
    AccountSummary,
    Broker,
    BrokerAccount,
    BrokerOrder,
    BrokerPosition,
)

logger = structlog.get_logger(__name__)

TRANSACTIONS_PER_PAGE: Final = 500
#: More pages than this mean a provider that never ends, not a history.
MAXIMUM_PAGES: Final = 400


class TastytradeAdapter(BrokerAdapter):
    """``BrokerAdapter`` for Tastytrade."""

    broker = Broker.TASTY
    source = SOURCE

    def __init__(self, *, caller: HttpCaller) -> None:
        self._caller = caller

    def fetch_accounts(self) -> Fetched[BrokerAccount]:
        """Return open accounts; Tastytrade lists closed ones for ever."""
        rows = items_of(self._get("/customers/me/accounts"), "accounts")
        return decode_rows(
            [row for row in rows if not is_closed(row)],
            decode_account,
            kind="account",
            source=SOURCE,
            as_of=now(),
        )

    def fetch_account_summary(self, account_number: str) -> AccountSummary:
        answer = self._get(f"{_path(account_number)}/balances/{CURRENCY}")
        return decode_balances(answer, account_number=account_number, fetched_at=now())

    def fetch_positions(self, account_number: str) -> Fetched[BrokerPosition]:
        """Return holdings with their marks, without positions closed today."""
        answer = self._get(f"{_path(account_number)}/positions", {"include-marks": "true"})
        fetched_at = now()
        rows = [row for row in items_of(answer, "positions") if not is_closed_position(row)]
        decode = partial(
            decode_position,
            account_number=account_number,
            fetched_at=fetched_at,
            futures=self._terms_of_held(rows),
            deliverables=self._deliverables(rows),
        )
        return decode_rows(rows, decode, kind="position", source=SOURCE, as_of=fetched_at)

    def fetch_open_orders(self, account_number: str) -> Fetched[BrokerOrder]:
        """Return the day's orders: working ones and those that ended today."""
        rows = items_of(self._get(f"{_path(account_number)}/orders/live"), "orders")
        fetched_at = now()
        decode = partial(
            decode_order,
            account_number=account_number,
            fetched_at=fetched_at,
            futures=self._future_terms(rows),
        )
        return decode_rows(rows, decode, kind="order", source=SOURCE, as_of=fetched_at)

    def fetch_executions(self, account_number: str, *, since: datetime) -> Fetched[AccountEvent]:
        """Return fills, removals, deliveries, corporate actions and cash since an instant, oldest
        first, all pages or none."""
        rows = self._transactions(account_number, since)
        decode = partial(
            decode_transaction,
            account_number=account_number,
            source=SOURCE,
            futures=self._future_terms(rows),
        )
        return decode_rows(rows, decode, kind="execution", source=SOURCE, as_of=now())

    def fetch_snapshots(self, contracts: Sequence[Contract]) -> Fetched[Snapshot]:
        """Return quotes and Greeks: fresh ones from the stream, the rest in calls of up to 100.

        Contracts Tastytrade does not trade (other currencies, other kinds) are absent.
        """
        streamed = fresh_streamed(contracts)
        told = {id(snapshot.contract) for snapshot in streamed}
        asked = self._fetch_snapshots([c for c in contracts if id(c) not in told])
        return replace(asked, items=(*streamed, *asked.items))

    def _fetch_snapshots(self, contracts: Sequence[Contract]) -> Fetched[Snapshot]:
        wanted: dict[str, Contract] = {}
        for contract in contracts:
            symbol = tastytrade_symbol(contract)
            if symbol is not None and contract.kind in MARKET_DATA_PARAMETERS:
                wanted.setdefault(symbol, contract)
        rows: list[object] = []
        for parameters in _batches(wanted):
            rows += items_of(self._get("/market-data/by-type", parameters), "market data")
        fetched_at = now()
        decode = partial(decode_snapshot, contracts=wanted, fetched_at=market_now())
        return decode_rows(rows, decode, kind="snapshot", source=SOURCE, as_of=fetched_at)

    def fetch_streamer_token(self) -> StreamerToken:
        """Return the token that opens the quote streamer for a day."""
        return decode_streamer_token(self._get("/api-quote-tokens"))

    def fetch_streamer_symbols(self, symbols: Collection[str]) -> dict[str, str]:
        return fetch_streamer_symbols(self._get, symbols)

    def close(self) -> None:
        self._caller.close()

    def _get(self, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
        return self._caller.request_json("GET", path, params=parameters)

    def _transactions(self, account_number: str, since: datetime) -> list[object]:
        """Return the rows of all pages. Raises MalformedResponse if a page is short."""
        rows: list[object] = []
        for page in range(MAXIMUM_PAGES):
            answer = self._get(
                f"{_path(account_number)}/transactions",
                {
                    "start-at": since.astimezone(UTC).isoformat(),
                    # Oldest first: new rows are appended and move no page.
                    "sort": "Asc",
                    "per-page": TRANSACTIONS_PER_PAGE,
                    "page-offset": page,
                },
            )
            rows += items_of(answer, "transactions")
            total, pages = _pagination(answer)
            if page + 1 >= pages:
                if len(rows) < total:
                    raise MalformedResponse(
                        f"transactions: {len(rows)} of {total} rows came", provider=SOURCE
                    )
                return rows
        raise MalformedResponse(f"transactions: more than {MAXIMUM_PAGES} pages", provider=SOURCE)

    def _terms_of_held(self, rows: list[object]) -> Futures:
        """Return the terms that positions need, and those of the futures under held options.

        The latter say which month an option is priced on; the book is complete without them.
        """
        needed = self._future_terms([row for row in rows if lacks_expiry(row)])
        options = [row for row in rows if is_future_option(row)]
        if not options:
            return needed
        try:
            return {**self._future_terms(options), **needed}
        except ProviderError as error:
            logger.info("tastytrade.futures_unread", code=error.code)
            return needed

    def _future_terms(self, rows: list[object]) -> Futures:
        """Return multiplier and expiry of the futures the rows name: their symbols tell neither."""
        symbols = futures_of(rows)
        if not symbols:
            return {}
        answer = self._get("/instruments/futures", {"symbol[]": list(symbols)})
        terms: dict[str, FutureTerms] = {}
        for row in items_of(answer, "futures"):
            # Rows that need a future without usable terms are rejected with that reason.
            if isinstance(row, dict) and (found := decode_terms(row)) is not None:
                terms[found[0]] = found[1]
        return terms

    def _deliverables(self, rows: list[object]) -> dict[str, Deliverable]:
        """Return what the adjusted options among the rows deliver, in a call per underlying.

        The positions do not wait for it: without an answer the deliverable stays as it is known.
        """
        found: dict[str, Deliverable] = {}
        for underlying in adjusted_underlyings(rows):
            try:
                answer = self._get(f"/option-chains/{quote(underlying, safe='')}/nested")
                found |= decode_deliverables(underlying, items_of(answer, "option chain"))
            except ProviderError as error:
                logger.info("tastytrade.deliverable_unknown", code=error.code, name=underlying)
        return found


def _path(account_number: str) -> str:
    return f"/accounts/{quote(account_number, safe='')}"


def _batches(wanted: Mapping[str, Contract]) -> Iterator[dict[str, str]]:
    """Return the parameters of each call: symbols by kind, comma-separated."""
    symbols = list(wanted)
    for start in range(0, len(symbols), BATCH_SIZE):
        parameters: dict[str, list[str]] = {}
        for symbol in symbols[start : start + BATCH_SIZE]:
            name = MARKET_DATA_PARAMETERS[wanted[symbol].kind]
            parameters.setdefault(name, []).append(symbol)
        yield {name: ",".join(named) for name, named in parameters.items()}


def _pagination(answer: Mapping[str, Any]) -> tuple[int, int]:
    """Return total rows and total pages; an answer without pagination is the only page."""
    pagination = answer.get("pagination")
    if pagination is None:
        return 0, 1
    if isinstance(pagination, dict):
        total, pages = pagination.get("total-items"), pagination.get("total-pages")
        if type(total) is int and type(pages) is int:
            return total, pages
    raise MalformedResponse("transactions: the pagination is not readable", provider=SOURCE)


def open_tastytrade() -> TastytradeAdapter:
    """Build the adapter from the settings."""
    token = ProviderToken(SOURCE)
    return TastytradeAdapter(
        caller=HttpCaller(
            SOURCE,
            settings.TASTYTRADE_URL,
            timeout=settings.PROVIDER_TIMEOUT_SECONDS,
            authorise=token.authorise,
            renew=token.renew,
        )
    )
