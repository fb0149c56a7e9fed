"""Record executions, cancels and cash: idempotent, in any order, from any source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter

from django.db import transaction
from django.db.models import QuerySet

from config.core.clock import now
from config.core.upsert import insert_rows, update_rows
from greeks.domain import Contract
from greeks.instruments.identity import instrument_key
from greeks.instruments.store import contract_error, resolve_instruments
from portfolio.domain import Broker, BrokerExecution, CashMovement
from portfolio.models import Account
from trades.executions.announcing import announce_after_commit
from trades.executions.cancels import apply_cancels
from trades.executions.cash import store_movements
from trades.executions.contracts import known_contracts, oldest_names
from trades.executions.fills import INSERTED, UPDATED, Fill
from trades.executions.identity import own_id
from trades.executions.matching import (
    Incoming,
    Stored,
    complete,
    conflict,
    find_stored,
    load_stored,
)
from trades.executions.new_fills import new_fill
from trades.executions.orders import replace_orders
from trades.executions.quarantine import Refused, keep_refused
from trades.executions.rows import JournalRows, Recorded
from trades.lots.store import store_lots
from trades.lots.transfers import lock_accounts, with_receivers
from trades.models import TradeExecution
from trades.strategies.store import store_trades

Tell = Callable[[str], None]


def record_rows(
    rows: JournalRows,
    *,
    broker: Broker,
    source: str,
    accounts: QuerySet[Account] | None = None,
    tell: Tell = lambda _: None,
) -> Recorded:
    """Record what one broker told, in one transaction. Rows of several accounts may be mixed.

    Only ``accounts`` (all by default) are known: a user's upload reaches no other user's account.
    A row already stored is completed, never doubled. A row that contradicts the stored one, names
    an unknown account or an impossible contract goes to quarantine with the reason. ``tell`` hears
    of each step.
    """
    with transaction.atomic():
        known = Account.objects.all() if accounts is None else accounts
        return _Recording(broker, source, known, tell).record(rows)


class _Recording:
    """One call of ``record_rows``."""

    def __init__(self, broker: Broker, source: str, known: QuerySet[Account], tell: Tell) -> None:
        self.broker = broker
        self.tell = tell
        self.known = known
        self.source = source
        self.at: datetime = now()
        self.result = Recorded()
        self.refused: list[Refused] = []
        #: Account and instrument of whatever changed: their lots are computed again.
        self.changed: set[tuple[str, int]] = set()
        #: Of the whole file: how many rows without ids said the same, and what they have matched.
        self.taken: dict[str, int] = {}
        self.matched: set[str] = set()

    def record(self, rows: JournalRows) -> Recorded:
        result = self.result
        result.received, result.ignored = rows.received, dict(rows.ignored)
        accounts = self._lock_accounts(rows)
        for rejected in rows.rejected:
            number = str(rejected.payload.get("accountId") or rows.account_number)
            if len(accounts) == 1 and not number:
                number = next(iter(accounts))
            self._refuse(rejected.kind, rejected.reason, rejected.payload, number, accounts)
        are_new = not TradeExecution.objects.filter(account__in=accounts.values()).exists()
        oldest, done = oldest_names(rows.executions), 0
        # What a large file's rows are made into takes twice the memory that they do.
        for part in rows.executions.parts():
            incoming = self._valid(part, accounts, oldest)
            done += len(part)
            self.tell(f"record rows: {done:,} of {len(rows.executions):,}")
            stored = load_stored(self.broker, incoming, self.matched, are_new=are_new)
            self._write(incoming, stored)
        self._cancel(rows, accounts)
        for order in replace_orders(self.changed) if self.broker is Broker.IBKR else ():
            if order.source == self.source:
                # Its fills were here before: nothing new.
                result.known(order.kind)
        self.tell(f"compute lots and trades, contracts: {len(self.changed):,}")
        computed = store_lots(with_receivers(self.changed))
        store_trades(computed)
        announce_after_commit(computed)
        self._write_movements(rows.movements, accounts)
        result.quarantined = keep_refused(self.refused, at=self.at)
        for refused in self.refused:
            result.reasons[refused.reason] = result.reasons.get(refused.reason, 0) + 1
        return result

    # --- Accounts and contracts ---
    def _lock_accounts(self, rows: JournalRows) -> dict[str, str]:
        """Return account ids by number, locked: recordings of one account follow each other."""
        numbers = {row.account_number for kind in (rows.cancels, rows.movements) for row in kind}
        numbers |= rows.executions.account_numbers
        numbers |= {str(row.payload.get("accountId") or "") for row in rows.rejected}
        numbers.add(rows.account_number)
        wanted = self.known.filter(broker=self.broker.value, account_number__in=numbers)
        return lock_accounts(wanted, moves_lots=rows.executions.moves_lots)

    def _valid(
        self,
        rows: Sequence[BrokerExecution],
        accounts: dict[str, str],
        oldest: Mapping[str, Contract],
    ) -> list[Incoming]:
        """Return the possible ones of the rows, with their instruments."""
        told = {id(row.contract): row.contract for row in rows}
        errors = {number: contract_error(contract) for number, contract in told.items()}
        named = [row for row in rows if self._is_possible(row, accounts, errors)]
        contracts = known_contracts(named, self.broker, oldest)
        keys = {number: instrument_key(contract) for number, contract in contracts.items()}
        found = resolve_instruments(contracts.values())
        times = self._known_times(named)
        incoming = []
        for row in named:
            number, account_id = id(row.contract), accounts[row.account_number]
            at = row.execution_time or times.get(row.broker_execution_id)
            if at is None:
                reason = "time: the broker has not told it yet"
                self._refuse(row.kind.value, reason, _payload(row), row.account_number, accounts)
                continue
            key = keys[number]
            incoming.append(Incoming(row, contracts[number], account_id, found[key].pk, key, at))
        return incoming

    def _known_times(self, rows: Sequence[BrokerExecution]) -> dict[str, datetime]:
        """Return stored times of fills that came without one: some sources leave it out."""
        ids = [row.broker_execution_id for row in rows if row.execution_time is None]
        known = TradeExecution.objects.filter(
            broker=self.broker.value, broker_execution_id__in=ids
        ).values_list("broker_execution_id", "execution_time")
        return dict(known) if ids else {}

    def _is_possible(
        self, row: BrokerExecution, accounts: dict[str, str], errors: Mapping[int, str | None]
    ) -> bool:
        reason = errors[id(row.contract)]
        if row.account_number not in accounts:
            reason = f"account: {row.account_number[:32]!r} is not an account of this desk"
        elif row.quantity <= 0:
            reason = f"quantity: {row.quantity} is not above zero"
        if reason is None:
            return True
        self._refuse(row.kind.value, reason, _payload(row), row.account_number, accounts)
        return False

    # --- Writing ---
    def _write(self, incoming: list[Incoming], stored: Stored) -> None:
        new: list[Fill] = []
        changed: dict[int, Fill] = {}
        roots: set[str] = set()
        for item in incoming:
            known = find_stored(item, stored, self.taken)
            if known is None:
                row = new_fill(item, self.broker, self.at)
                new.append(row)
                stored.add(row)
                self.changed.add((item.account_id, item.instrument_id))
                roots.add(row.exec_root)
                self.result.count(row.kind)
                continue
            if item.row.broker_execution_id and known.source != item.row.source:
                self.result.note_offset((known.execution_time - item.at).total_seconds())
            reason = conflict(item, known)
            if reason:
                self.refused.append(self._conflict(item, known, reason))
                continue
            self.result.existing += 1
            if complete(item, known):
                known.updated_at = self.at
                stored.rename(known)
                roots.add(known.exec_root)
                self.changed.add((item.account_id, item.instrument_id))
                self.result.completed += 1
                if known.id is not None:
                    changed[known.id] = known
        for row in stored.replace_revisions(roots):
            self.changed.add((row.account_id, row.instrument_id))
            if row.id is not None:
                changed[row.id] = row
        insert_fills(new)
        update_rows(TradeExecution, UPDATED, list(map(attrgetter(*UPDATED), changed.values())))

    def _cancel(self, rows: JournalRows, accounts: dict[str, str]) -> None:
        known = [row for row in rows.cancels if row.account_number in accounts]
        for row in rows.cancels:
            if row.account_number not in accounts:
                reason = f"account: {row.account_number[:32]!r} is not an account of this desk"
                self._refuse("cancel", reason, row.raw, row.account_number, accounts)
        outcome = apply_cancels(known, accounts, broker=self.broker, at=self.at)
        self.changed |= outcome.changed
        self.result.cancelled += outcome.cancelled
        self.result.existing += outcome.existing
        for row in outcome.waiting:
            reason = "cancel: the row that it cancels has not come yet"
            self._refuse("cancel", reason, row.raw, row.account_number, accounts)

    def _write_movements(self, rows: Sequence[CashMovement], accounts: dict[str, str]) -> None:
        named = [row for row in rows if row.account_number in accounts]
        for row in rows:
            if row.account_number not in accounts:
                reason = f"account: {row.account_number[:32]!r} is not an account of this desk"
                self._refuse("cash", reason, row.raw, row.account_number, accounts)
        new = store_movements(named, accounts, broker=self.broker, at=self.at)
        for stored in new:
            self.result.count(stored.kind)
        self.result.existing += len(named) - len(new)

    # --- Refusing ---
    def _conflict(self, item: Incoming, known: Fill, reason: str) -> Refused:
        return Refused(
            broker=self.broker,
            account_id=item.account_id,
            account_number=item.row.account_number,
            kind="conflict",
            reason=f"{reason} ({known.broker_execution_id})",
            payload=_payload(item.row),
            source=self.source,
        )

    def _refuse(
        self, kind: str, reason: str, payload: object, number: str, accounts: dict[str, str]
    ) -> None:
        self.refused.append(
            Refused(
                broker=self.broker,
                account_id=accounts.get(number),
                account_number=number,
                kind=kind,
                reason=reason,
                payload=payload or {},
                source=self.source,
            )
        )


def insert_fills(fills: Iterable[Fill]) -> None:
    """Insert rows that are not stored."""
    insert_rows(TradeExecution, INSERTED, list(map(attrgetter(*INSERTED), fills)))


def _payload(row: BrokerExecution) -> Mapping[str, object]:
    """Return what was sent, or else what names the row."""
    return row.raw or {"id": own_id(row), "symbol": row.contract.symbol, "kind": row.kind.value}
