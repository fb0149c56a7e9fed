"""What every market-data provider offers: quotes and Greeks of contracts, nothing of an account.

A broker adapter offers the same and more, so whoever asks for market data takes either.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol, runtime_checkable

from greeks.domain import Contract, DailyClose, Fetched, Snapshot


class SnapshotProvider(Protocol):
    """One vendor's market data behind our dataclasses.

    Every method may raise the errors of ``config.core.errors``. A single bad row never raises: it
    comes back in ``Fetched.rejected``.
    """

    #: Stored with every number of this provider, e.g. ``polygon``.
    source: str

    def fetch_snapshots(self, contracts: Sequence[Contract]) -> Fetched[Snapshot]:
        """Quotes and Greeks of many contracts in as few calls as the vendor allows.

        A contract the vendor knows nothing about is absent from the answer, not an error. What
        could not be asked for is named in ``Fetched.left_out``; an answer without anything raises.
        """
        ...

    def close(self) -> None: ...


@runtime_checkable
class DailyClosesProvider(Protocol):
    """A provider that also knows the past."""

    source: str

    def fetch_daily_closes(self, symbol: str, *, start: date, end: date) -> Fetched[DailyClose]:
        """Closes of a stock or index from ``start`` to ``end``, both included, oldest first.

        Adjusted for splits. Days without trading are absent; a symbol the vendor does not know
        has none. Complete, or an error is raised.
        """
        ...

    def close(self) -> None: ...


@runtime_checkable
class CountsCalls(Protocol):
    """A provider that says how many requests it has sent."""

    source: str
    calls: int
