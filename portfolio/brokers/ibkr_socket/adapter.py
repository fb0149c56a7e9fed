"""IBKR over the socket of TWS or IB Gateway: the adapter every process uses.

The streams process (``SocketBridge``) owns the socket; this adapter asks it over Redis, with a
deadline for each question. Reads only; nothing here can trade.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from config.core.ask import ask
from config.core.clock import now
from config.core.errors import RetryableError
from config.core.health import heartbeat
from config.core.http.breaker import CircuitBreaker
from greeks.domain import Contract, DailyClose, Fetched, InstrumentKind, Snapshot
from portfolio.brokers.base import BrokerAdapter
from portfolio.brokers.ibkr_portal.contracts import SOURCE
from portfolio.brokers.ibkr_socket.state import PROVIDER, service_name
from portfolio.domain import (
    AccountSummary,
    Broker,
    BrokerAccount,
    BrokerExecution,
    BrokerOrder,
    BrokerPosition,
)

Answer = TypeVar("Answer")

#: Seconds for the gateway to answer one question; repeating it after a reconnect is up to the
#: caller.
DEADLINE_SECONDS = 15.0
#: New lines need a moment until their prices and Greeks arrive.
SNAPSHOT_SECONDS = 12.0
HISTORY_SECONDS = 30.0
#: A failure this quick has cost nobody anything.
SOON_SECONDS = 1.0


def gateway_breaker(service: str) -> CircuitBreaker:
    """Return the breaker for a gateway's questions. The owner closes it after an outage."""
    return CircuitBreaker(service, probe_seconds=2 * DEADLINE_SECONDS)


class SocketAdapter(BrokerAdapter):
    """``BrokerAdapter`` for IBKR. Thread-safe; holds no connection."""

    broker = Broker.IBKR
    source = SOURCE

    def __init__(self, service: str) -> None:
        self._service = service
        self._breaker = gateway_breaker(service)

    def fetch_accounts(self) -> Fetched[BrokerAccount]:
        return self._ask("accounts", Fetched[BrokerAccount])

    def fetch_account_summary(self, account_number: str) -> AccountSummary:
        return self._ask("account_summary", AccountSummary, account_number=account_number)

    def fetch_positions(self, account_number: str) -> Fetched[BrokerPosition]:
        return self._ask("positions", Fetched[BrokerPosition], account_number=account_number)

    def fetch_open_orders(self, account_number: str) -> Fetched[BrokerOrder]:
        return self._ask("open_orders", Fetched[BrokerOrder], account_number=account_number)

    def fetch_executions(self, account_number: str, *, since: datetime) -> Fetched[BrokerExecution]:
        return self._ask(
            "executions",
            Fetched[BrokerExecution],
            account_number=account_number,
            since=since.isoformat(),
        )

    def fetch_snapshots(self, contracts: Sequence[Contract]) -> Fetched[Snapshot]:
        if not contracts:
            return Fetched(items=(), source=SOURCE, as_of=now())
        return self._ask(
            "snapshots",
            Fetched[Snapshot],
            deadline=SNAPSHOT_SECONDS + 3.0,
            contracts=list(contracts),
            seconds=SNAPSHOT_SECONDS,
        )

    def fetch_daily_closes(self, symbol: str, *, start: date, end: date) -> Fetched[DailyClose]:
        """Return closes of the symbol's sessions from ``start`` to ``end``, adjusted for splits."""
        contract = Contract(
            kind=InstrumentKind.STOCK,
            symbol=symbol,
            underlying=symbol,
            multiplier=Decimal(1),
            currency="USD",
        )
        return self._ask(
            "daily_closes",
            Fetched[DailyClose],
            deadline=HISTORY_SECONDS,
            contract=contract,
            start=start.isoformat(),
            end=end.isoformat(),
        )

    def close(self) -> None:
        """Do nothing: the owner holds the connection."""

    def _ask(
        self,
        question: str,
        answer_type: type[Answer],
        *,
        deadline: float = DEADLINE_SECONDS,
        **arguments: Any,
    ) -> Answer:
        """Return the owner's answer.

        Only failures after a wait count against the breaker, to spare others that wait. A refusal
        by the gateway (unknown account, bad request) does not mean it is down, and an owner that
        says at once why it cannot ask should be heard.
        """
        self._breaker.check()
        began = time.monotonic()
        try:
            answer = ask(
                self._service, question, arguments, deadline=deadline, answer_type=answer_type
            )
        except RetryableError:
            if time.monotonic() - began > SOON_SECONDS:
                self._breaker.record_failure()
            raise
        self._breaker.record_success()
        heartbeat(f"provider.{PROVIDER}")
        return answer


def open_socket() -> SocketAdapter:
    """Open the adapter for the gateway in the settings."""
    return SocketAdapter(service_name())
