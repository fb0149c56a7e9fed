"""The rows of one source, and how each was recorded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from config.core.rows.packed import PackedRows
from greeks.domain import RejectedRow
from greeks.instruments.identity import instrument_key
from portfolio.domain import (
    AccountEvent,
    Broker,
    BrokerExecution,
    CashMovement,
    ExecutionCancel,
    ExecutionKind,
)


class Executions(PackedRows[BrokerExecution]):
    """Executions in their order, and what has to be known of all before one is recorded."""

    def __init__(self, rows: Iterable[BrokerExecution] = ()) -> None:
        self.account_numbers: set[str] = set()
        self.moves_lots = False
        #: Ids of IBKR's that name several contracts here: before and after a split.
        self.renamed: set[str] = set()
        self._named: dict[str, str] = {}
        super().__init__(rows)

    def append(self, row: BrokerExecution) -> None:
        """Add a row at the end."""
        self.account_numbers.add(row.account_number)
        self.moves_lots |= row.kind is ExecutionKind.TRANSFER
        if row.broker is Broker.IBKR and "ibkr" in row.contract.aliases:
            conid, key = row.contract.aliases["ibkr"], instrument_key(row.contract)
            if self._named.setdefault(conid, key) != key:
                self.renamed.add(conid)
        super().append(row)


@dataclass(slots=True, kw_only=True)
class JournalRows:
    """The rows of one answer or file, decoded."""

    executions: Executions = field(default_factory=Executions)
    cancels: list[ExecutionCancel] = field(default_factory=list)
    movements: list[CashMovement] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    #: The account of rows that name none, where the source is of one account.
    account_number: str = ""
    #: Rows that are no events of the journal, by reason (orders, summaries, lots).
    ignored: dict[str, int] = field(default_factory=dict)

    @property
    def received(self) -> int:
        """Rows that were sent, ignored ones not counted."""
        others = len(self.cancels) + len(self.movements) + len(self.rejected)
        return len(self.executions) + others

    def add(self, row: AccountEvent | RejectedRow) -> None:
        """Add a decoded row, or the reason it was refused."""
        if isinstance(row, CashMovement):
            self.movements.append(row)
        elif isinstance(row, ExecutionCancel):
            self.cancels.append(row)
        elif isinstance(row, RejectedRow):
            self.rejected.append(row)
        else:
            self.executions.append(row)

    def ignore(self, reason: str, number: int = 1) -> None:
        if number:
            self.ignored[reason] = self.ignored.get(reason, 0) + number


@dataclass(slots=True, kw_only=True)
class Recorded:
    """``received == inserted + existing + cancelled + quarantined``, cash included."""

    received: int = 0
    inserted: int = 0
    existing: int = 0
    completed: int = 0
    cancelled: int = 0
    quarantined: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    #: Rows known from another source too, by how many seconds their times lag behind it.
    offsets: dict[str, int] = field(default_factory=dict)

    @property
    def clock_offset(self) -> int | None:
        """The seconds to add to all times, if every row known from both sources lacks the same."""
        found = [int(seconds) for seconds in self.offsets]
        return found[0] if len(found) == 1 and found[0] else None

    def note_offset(self, seconds: float) -> None:
        """Note how far behind a row is; clocks that are cut to seconds agree."""
        name = str(round(seconds / 60) * 60)
        self.offsets[name] = self.offsets.get(name, 0) + 1

    def count(self, kind: str) -> None:
        self.inserted += 1
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1

    def known(self, kind: str) -> None:
        """Undo counting a row as new."""
        self.inserted -= 1
        self.existing += 1
        self.by_kind[kind] -= 1
        self.by_kind = {name: number for name, number in self.by_kind.items() if number}

    def counts(self) -> dict[str, Any]:
        """Return the counts as stored with a run and shown."""
        return {name: getattr(self, name) for name in Recorded.__slots__}
