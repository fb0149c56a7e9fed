"""Recognise an uploaded file and read it into journal rows."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from config.core.errors import InvalidInput
from portfolio.domain import Broker
from portfolio.models import Account
from trades.executions.rows import Executions, JournalRows
from trades.importing.flex_values import SOURCE as FLEX
from trades.importing.flex_xml import read_flex
from trades.importing.ibkr_csv import SOURCE as ACTIVITY_CSV
from trades.importing.ibkr_csv import is_activity, read_activity
from trades.importing.tastytrade_csv import SOURCE as TASTYTRADE_CSV
from trades.importing.tastytrade_csv import is_tastytrade, read_tastytrade_csv

#: Ten years of a busy account are far below it.
LARGEST_FILE: Final = 200 * 1024 * 1024
_HEAD: Final = 4096
_LARGEST_OFFSET: Final = timedelta(hours=26)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """The rows of a file, whose broker and format it told."""

    broker: Broker
    source: str
    rows: JournalRows


def read_file(
    content: bytes, *, account: Account | None = None, clock_offset: timedelta = timedelta()
) -> ReadFile:
    """Read a statement of IBKR or an export of Tastytrade.

    Exports of Tastytrade name no account: one must be given. It is also that of a Flex statement's
    rows that name none. ``clock_offset`` is added to the times of IBKR's statements, which carry
    no zone.

    Raises:
        InvalidInput: another kind of file, or one that cannot be used; the message says why.
    """
    if len(content) > LARGEST_FILE:
        raise InvalidInput(f"The file has {len(content):,} bytes, at most {LARGEST_FILE:,} go.")
    if not content.strip():
        raise InvalidInput("The file is empty.")
    head = content[:_HEAD].lstrip(b"\xef\xbb\xbf \r\n\t")
    if head.startswith(b"<"):
        # A query may leave the account out; rows that name theirs keep it.
        chosen = account if account and account.broker == Broker.IBKR.value else None
        number = chosen.account_number if chosen else ""
        rows = _shifted(read_flex(io.BytesIO(content), account_number=number), clock_offset)
        return ReadFile(broker=Broker.IBKR, source=FLEX, rows=rows)
    beginning = head.decode("utf-8", "replace")
    cells = _first_cells(beginning)
    if is_activity(cells):
        rows = _shifted(read_activity(io.BytesIO(content)), clock_offset)
        return ReadFile(broker=Broker.IBKR, source=ACTIVITY_CSV, rows=rows)
    if not is_tastytrade(cells):
        raise InvalidInput(
            "This is neither a statement of IBKR (Flex XML, Activity Statement CSV) nor an export "
            f"of transactions (CSV) of Tastytrade. It begins with {beginning[:60]!r}."
        )
    if account is None:
        raise InvalidInput(
            "An export of Tastytrade names no account: say which one.",
            fields={"account": "required"},
        )
    if account.broker != Broker.TASTY.value:
        raise InvalidInput(
            f"Account {account.account_id} is not at Tastytrade.", fields={"account": "wrong"}
        )
    rows = read_tastytrade_csv(io.BytesIO(content), account_number=account.account_number)
    return ReadFile(broker=Broker.TASTY, source=TASTYTRADE_CSV, rows=rows)


def _first_cells(text: str) -> list[str]:
    """Return the cells of the first row; none where the text is no CSV. Any line end ends a row."""
    try:
        return next(csv.reader(io.StringIO(text, newline="")), [])
    except csv.Error:
        return []


def _shifted(rows: JournalRows, offset: timedelta) -> JournalRows:
    if abs(offset) > _LARGEST_OFFSET:
        raise InvalidInput(
            f"The clock is off by at most {_LARGEST_OFFSET}.", fields={"clock_offset": "too large"}
        )
    if offset:
        rows.executions = Executions(
            replace(row, execution_time=row.execution_time and row.execution_time + offset)
            for row in rows.executions
        )
    return rows
