"""The interface of every market-data provider: quotes and Greeks of contracts, no account data.

A broker adapter offers this and more, so code that needs market data takes either.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Generic, Protocol, TypeVar, runtime_checkable

from config.core.http.caller import HttpCaller
from greeks.domain import Contract, DailyClose, Fetched, Snapshot

ClientT = TypeVar("ClientT", bound=HttpCaller)


class SnapshotProvider(Protocol):
    """One vendor's market data as our dataclasses.

    Every method may raise the errors of ``config.core.errors``. A single bad row never raises: it
    comes back in ``Fetched.rejected``.
    """

    #: Stored with every number of this provider, e.g. ``polygon``.
    source: str

    def fetch_snapshots(self, contracts: Sequence[Contract]) -> Fetched[Snapshot]:
        """Return quotes and Greeks of many contracts in as few calls as the vendor allows.

        A contract unknown to the vendor is absent from the answer, not an error.
        ``Fetched.left_out`` names what could not be asked for; an answer with nothing at all
        raises.
        """
        ...

    def close(self) -> None: ...


@runtime_checkable
class DailyClosesProvider(Protocol):
    """A provider that also has past closes."""

    source: str

    def fetch_daily_closes(self, symbol: str, *, start: date, end: date) -> Fetched[DailyClose]:
        """Return closes of a stock or index from ``start`` to ``end`` inclusive, oldest first.

        Adjusted for splits. Days without trading are absent; a symbol unknown to the vendor has
        none. Complete, or an error is raised.
        """
        ...

    def close(self) -> None: ...


@runtime_checkable
class CountsCalls(Protocol):
    """A provider that counts the requests it sends."""

    source: str
    calls: int


class ClientProvider(Generic[ClientT]):
    """A provider whose calls all go through one client, which it closes."""

    def __init__(self, client: ClientT) -> None:
        self._client = client
        self.server = client.server

    @property
    def calls(self) -> int:
        """Requests this object has sent."""
        return self._client.calls

    def close(self) -> None:
        self._client.close()
