"""IBKR over the Client Portal gateway's REST API. Reads only; nothing here can trade.

The gateway (``IBKR_PORTAL_URL``) holds the log-in. This adapter keeps its session alive, makes the
calls in the required order and stays under its limits: ten requests a second in total, and one per
five seconds each for accounts, orders and trades; beyond that it refuses for 15 minutes. Source:
IBKR's Client Portal API documentation, and recorded answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from django.conf import settings

from config.core.clock import market_now, now
from config.core.errors import MalformedResponse, PermanentError, RetryableError
from greeks.domain import Contract, Fetched, RejectedRow, Snapshot
from greeks.providers.decoding import BadRow, Row, decode_rows, rows_of
from portfolio.brokers.base import BrokerAdapter
from portfolio.brokers.ibkr_portal.account import (
    PROVIDER,
    decode_account,
    decode_position,
    decode_summary,
    is_closed,
    missing_money,
)
from portfolio.brokers.ibkr_portal.contracts import SOURCE, conids_of, needs_definition
from portfolio.brokers.ibkr_portal.directory import ContractDirectory, contract_memory
from portfolio.brokers.ibkr_portal.gateway import PortalGateway, open_gateway
from portfolio.brokers.ibkr_portal.orders import (
    decode_execution,
    decode_order,
    order_conids,
    split_by_account,
)
from portfolio.brokers.ibkr_portal.session import BROKERAGE, ORDERS, PORTFOLIO, object_of
from portfolio.brokers.ibkr_portal.snapshots import decode_snapshot, poll_snapshots
from portfolio.brokers.ibkr_portal.units import may_be_magnified
from portfolio.domain import (
    AccountSummary,
    Broker,
    BrokerAccount,
    BrokerExecution,
    BrokerOrder,
    BrokerPosition,
)

#: The most contracts in one snapshot, and the market-data lines of an ordinary log-in.
SNAPSHOTS_PER_CALL = 100
# No book has this many pages of a hundred positions.
MOST_PAGES = 100
TRADE_DAYS = 7
_ORDERS_PATH = "/iserver/account/orders"

Item = TypeVar("Item")


class PortalBridge(BrokerAdapter):
    """``BrokerAdapter`` for IBKR. Thread-safe; ``close()`` it after use."""

    broker = Broker.IBKR
    source = SOURCE

    def __init__(self, gateway: PortalGateway, *, snapshot_seconds: float) -> None:
        self._gateway = gateway
        self._snapshot_seconds = snapshot_seconds
        self._directory = ContractDirectory(
            lambda path, params: gateway.get(path, needs=(BROKERAGE,), params=params),
            contract_memory(gateway.base_url),
        )

    def fetch_accounts(self) -> Fetched[BrokerAccount]:
        """Return every account of the log-in."""
        rows = self._gateway.get("/portfolio/accounts")
        self._gateway.memory.note(PORTFOLIO)
        return decode_rows(rows, decode_account, kind="account", source=SOURCE, as_of=now())

    def fetch_account_summary(self, account_number: str) -> AccountSummary:
        """Return money from ``/portfolio``, P&L and conversion rates from its ledger."""
        account = quote(account_number, safe="")
        summary = self._object(f"/portfolio/{account}/summary", PORTFOLIO)
        ledger = self._object(f"/portfolio/{account}/ledger", PORTFOLIO)
        brokerage: Mapping[str, Any] = {}
        if missing_money(summary):
            brokerage = self._object(f"/iserver/account/{account}/summary", BROKERAGE)
        return decode_summary(
            account_number,
            summary=summary,
            ledger=ledger,
            brokerage=brokerage,
            received_at=market_now(),
        )

    def fetch_positions(self, account_number: str) -> Fetched[BrokerPosition]:
        """Return the whole book, without holdings closed today.

        Discards the gateway's cached copy first, then reads every page.
        """
        account = quote(account_number, safe="")
        self._gateway.post(f"/portfolio/{account}/positions/invalidate", needs=(PORTFOLIO,))
        rows = [row for row in self._position_rows(account) if not is_closed(row)]
        definitions = self._position_definitions(rows)
        received_at = market_now()
        seen: set[tuple[str, str]] = set()

        def decode(row: Row) -> BrokerPosition:
            if row.get("acctId") not in (None, account_number):
                raise BadRow("acctId: the row belongs to another account")
            row = self._directory.completed_position(row)
            position = decode_position(row, definitions, received_at=received_at)
            identity = (position.contract.aliases[SOURCE], position.sub_key)
            if identity in seen:
                raise BadRow("conid: the contract was sent twice")
            seen.add(identity)
            return position

        return decode_rows(rows, decode, kind="position", source=SOURCE, as_of=now())

    def fetch_open_orders(self, account_number: str) -> Fetched[BrokerOrder]:
        """Return the day's orders. A session's first call is always empty, so make it
        beforehand."""
        memory = self._gateway.memory
        self._gateway.prepare((BROKERAGE,))
        if not memory.knows(ORDERS):
            self._object(_ORDERS_PATH, BROKERAGE, {"force": "true"})
        answer = self._object(_ORDERS_PATH, BROKERAGE)
        memory.note(ORDERS)
        rows, strangers = split_by_account(
            rows_of(answer.get("orders"), provider=PROVIDER, what="orders"),
            account_number,
            kind="order",
        )
        definitions = self._directory.definitions(
            conid for row in rows if isinstance(row, Mapping) for conid in order_conids(row)
        )
        received_at = market_now()
        return self._decoded(
            rows,
            lambda row: decode_order(
                self._directory.completed(row), definitions, received_at=received_at
            ),
            kind="order",
            rejected=strangers,
        )

    def fetch_executions(self, account_number: str, *, since: datetime) -> Fetched[BrokerExecution]:
        """Return fills since then, perhaps some earlier; the vendor keeps seven days."""
        days = math.ceil((now() - since) / timedelta(days=1))
        answer = self._gateway.get(
            "/iserver/account/trades",
            needs=(BROKERAGE,),
            params={"days": min(max(days, 1), TRADE_DAYS)},
        )
        rows, strangers = split_by_account(
            rows_of(answer, provider=PROVIDER, what="trades"), account_number, kind="execution"
        )
        definitions = self._directory.definitions(conids_of(rows))
        return self._decoded(
            rows,
            lambda row: decode_execution(
                self._directory.completed(row), definitions, account_number=account_number
            ),
            kind="execution",
            rejected=strangers,
        )

    def fetch_snapshots(self, contracts: Sequence[Contract]) -> Fetched[Snapshot]:
        """Return quotes and Greeks; contracts IBKR does not know or has no data for are absent."""
        wanted = list(self._directory.conids(contracts).items())
        self._directory.definitions(
            conid for conid, contract in wanted if may_be_magnified(contract)
        )
        items: list[Snapshot] = []
        rejected: list[RejectedRow] = []
        for start in range(0, len(wanted), SNAPSHOTS_PER_CALL):
            if start:
                # Release the previous hundred lines: a log-in has no more.
                self._gateway.get("/iserver/marketdata/unsubscribeall", needs=(BROKERAGE,))
            batch = dict(wanted[start : start + SNAPSHOTS_PER_CALL])
            rows = poll_snapshots(self._gateway, batch, seconds=self._snapshot_seconds)
            received_at = market_now()
            fetched = decode_rows(
                rows,
                partial(decode_snapshot, contracts=batch, received_at=received_at),
                kind="snapshot",
                source=SOURCE,
                as_of=received_at,
            )
            items += [
                self._directory.in_currency(item) for item in fetched.items if item is not None
            ]
            rejected += fetched.rejected
        return Fetched(
            items=tuple(items), rejected=tuple(rejected), source=SOURCE, as_of=market_now()
        )

    def keep_session(self) -> None:
        """Tickle if there was none for fifty seconds (``KeepsSession``)."""
        self._gateway.session.ensure()

    def close(self) -> None:
        self._gateway.close()

    def _object(
        self, path: str, family: str, params: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        answer = self._gateway.get(path, needs=(family,), params=params)
        return object_of(answer, path)

    def _decoded(
        self,
        rows: list[Any],
        decode: Callable[[Row], Item],
        *,
        kind: str,
        rejected: list[RejectedRow],
    ) -> Fetched[Item]:
        fetched = decode_rows(rows, decode, kind=kind, source=SOURCE, as_of=now())
        return replace(fetched, rejected=(*fetched.rejected, *rejected))

    def _position_rows(self, account: str) -> list[Any]:
        """Read pages until an empty one. A failed or repeated page fails the whole read."""
        rows: list[Any] = []
        seen: set[str] = set()
        for page in range(MOST_PAGES):
            path = f"/portfolio/{account}/positions/{page}"
            answer = self._gateway.get(path, needs=(PORTFOLIO,))
            page_rows = rows_of(answer, provider=PROVIDER, what=path)
            if not page_rows:
                return rows
            conids = set(conids_of(page_rows))
            if conids and conids <= seen:
                raise MalformedResponse(f"{path}: repeats an earlier page", provider=PROVIDER)
            seen |= conids
            rows += page_rows
        raise MalformedResponse(f"positions: more than {MOST_PAGES} pages", provider=PROVIDER)

    def _position_definitions(self, rows: list[Any]) -> dict[str, Contract]:
        """Return the definitions of the book's contracts; no call if none is needed."""
        try:
            return self._directory.definitions(conids_of(rows))
        except (RetryableError, PermanentError):
            if any(isinstance(row, Mapping) and needs_definition(row) for row in rows):
                raise
            return {}


def open_portal() -> PortalBridge:
    """Open the adapter for the gateway in the settings."""
    return PortalBridge(open_gateway(), snapshot_seconds=settings.IBKR_PORTAL_SNAPSHOT_SECONDS)
