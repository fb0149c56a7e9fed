"""The interface of every broker adapter: reading only. No adapter can trade."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from greeks.domain import Contract, Fetched, Snapshot
from portfolio.domain import (
    AccountEvent,
    AccountSummary,
    Broker,
    BrokerAccount,
    BrokerOrder,
    BrokerPosition,
)


@runtime_checkable
class BrokerAdapter(Protocol):
    """One vendor's protocol behind our dataclasses.

    Every method may raise the errors of ``config.core.errors``: ``RetryableError``,
    ``RateLimitedError``, ``UnauthorisedError``, ``ForbiddenError``, ``PermanentError``,
    ``MalformedResponse``. A bad row never raises: it is returned in ``Fetched.rejected``. A partial
    answer (a missing page) raises; it is never returned as a shorter book.
    """

    broker: Broker
    #: Stored with every number this adapter returns, e.g. ``ibkr`` or ``tastytrade``.
    source: str

    def fetch_accounts(self) -> Fetched[BrokerAccount]: ...

    def fetch_account_summary(self, account_number: str) -> AccountSummary: ...

    def fetch_positions(self, account_number: str) -> Fetched[BrokerPosition]: ...

    def fetch_open_orders(self, account_number: str) -> Fetched[BrokerOrder]: ...

    def fetch_executions(self, account_number: str, *, since: datetime) -> Fetched[AccountEvent]:
        """Return what the broker still tells of an account since an instant: fills, and from some
        brokers the other rows of its history. The same rows may come again and again."""
        ...

    def fetch_snapshots(self, contracts: Sequence[Contract]) -> Fetched[Snapshot]:
        """Return quotes and Greeks of many contracts in as few calls as the vendor allows.

        Contracts unknown to the vendor are absent, not an error.
        """
        ...

    def close(self) -> None: ...


@runtime_checkable
class KeepsSession(Protocol):
    """An adapter whose session ends when idle: the streams process keeps it alive."""

    def keep_session(self) -> None:
        """Call the broker if due. Raises as the other methods do."""
        ...
