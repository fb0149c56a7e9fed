"""Retry refused rows as they were sent, with today's rules and accounts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, tostring

from django.db import transaction
from django.db.models import QuerySet

from config.core.clock import now
from config.core.errors import InvalidInput
from greeks.providers.decoding import BadRow
from portfolio.brokers.tastytrade.contracts import SOURCE as TASTYTRADE
from portfolio.brokers.tastytrade.transactions import decode_transaction
from portfolio.domain import Broker, CashMovement, ExecutionCancel, ExecutionKind
from portfolio.models import Account
from trades.executions.rows import Executions, JournalRows
from trades.executions.store import record_rows
from trades.importing.flex_values import SOURCE as FLEX
from trades.importing.flex_xml import read_flex
from trades.importing.tastytrade_csv import SOURCE as TASTYTRADE_CSV
from trades.importing.tastytrade_csv import future_terms, read_tastytrade_csv
from trades.models import QuarantinedExecution

_KINDS: Final = frozenset(kind.value for kind in ExecutionKind)


@dataclass(slots=True)
class Retried:
    """What became of refused rows. ``ask`` are accounts whose broker has to be asked again."""

    recorded: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    ask: set[str] = field(default_factory=set)

    def refuse(self, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1


class _StillRefused(Exception):
    """Undoes a row that was refused again, with the reason."""


def retry_rows(rows: Iterable[QuarantinedExecution], *, accounts: QuerySet[Account]) -> Retried:
    """Record refused rows that can be recorded now, in these accounts only; resolve those.

    A row that is refused again keeps its place, with the new reason. Rows of IBKR's socket and
    portal cannot be read without what came beside them: their broker is to be asked again.
    """
    result = Retried()
    for row in rows:
        if row.resolved_at is not None:
            continue
        if row.source not in (FLEX, TASTYTRADE, TASTYTRADE_CSV) or "cut" in row.payload:
            if row.account_id and row.source == row.broker.lower():
                result.ask.add(row.account_id)
            else:
                result.refuse("Only the file it came from holds all of it: import that again.")
            continue
        try:
            with transaction.atomic():
                _record(row, accounts)
        except (_StillRefused, BadRow, InvalidInput) as error:
            reason = error.reason if isinstance(error, BadRow) else str(error)
            row.reason, row.last_seen_at = reason[:255], now()
            row.times_seen += 1
            row.save(update_fields=["reason", "last_seen_at", "times_seen"])
            result.refuse(reason)
        else:
            result.recorded += 1
    return result


def _record(row: QuarantinedExecution, accounts: QuerySet[Account]) -> None:
    broker = Broker(row.broker)
    rows = _of_kind(_read(row), row.kind)
    if not rows.received:
        raise _StillRefused("The row tells nothing that the journal keeps.")
    recorded = record_rows(rows, broker=broker, source=row.source, accounts=accounts)
    if recorded.quarantined:
        raise _StillRefused(next(iter(recorded.reasons)))
    row.resolved_at = now()
    found = accounts.filter(broker=row.broker, account_number=row.account_number).first()
    row.account = row.account or found
    row.save(update_fields=["resolved_at", "account"])


def _read(row: QuarantinedExecution) -> JournalRows:
    if row.source == FLEX:
        return read_flex(io.BytesIO(_flex_document(row)))
    number = row.account_number
    if "transaction-type" not in row.payload:
        return read_tastytrade_csv(io.BytesIO(_csv_document(row.payload)), account_number=number)
    event = decode_transaction(
        row.payload,
        account_number=number,
        source=row.source,
        futures=future_terms([row.payload]),
    )
    rows = JournalRows()
    if isinstance(event, CashMovement):
        rows.movements.append(event)
    elif isinstance(event, ExecutionCancel):
        rows.cancels.append(event)
    else:
        rows.executions.append(event)
    return rows


def _flex_document(row: QuarantinedExecution) -> bytes:
    """Return a statement with this row alone."""
    root = Element("FlexQueryResponse")
    statement = SubElement(SubElement(root, "FlexStatements"), "FlexStatement")
    statement.set("accountId", row.account_number)
    texts = {name: str(value) for name, value in row.payload.items() if value is not None}
    SubElement(statement, _flex_section(row.kind, row.payload), texts)
    return tostring(root)


def _flex_section(kind: str, payload: Mapping[str, Any]) -> str:
    if kind in ("CashTransaction", "Transfer", "CorporateAction"):
        return kind
    if kind == "cash":
        return "CashTransaction"
    if {"buySell", "tradePrice", "transactionType", "ibExecID"} & payload.keys():
        return "Trade"
    return "Transfer" if "direction" in payload else "CorporateAction"


def _csv_document(payload: Mapping[str, Any]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(payload))
    writer.writeheader()
    writer.writerow(payload)
    return text.getvalue().encode()


def _of_kind(rows: JournalRows, kind: str) -> JournalRows:
    """Keep the kind that the row had among the others of its file, which may have told it."""
    if kind in _KINDS:
        of_kind = (replace(each, kind=ExecutionKind(kind)) for each in rows.executions)
        rows.executions = Executions(of_kind)
    return rows
