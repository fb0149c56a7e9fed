"""Corporate actions of IBKR's statements: what carries lots, and what pays for them.

Source: IBKR, Flex Queries reference, "Corporate Actions", and real statements. All actions of a day
have one time (20:25); the rows of one share ``actionID`` in Flex, and the beginning of their
description in the Activity Statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from greeks.domain import RejectedRow
from greeks.providers.decoding import BadRow, parse_decimal, rejected_row
from portfolio.domain import BrokerExecution, CashKind, CashMovement, ExecutionKind
from trades.importing.flex_movements import carried, cash_movement
from trades.importing.flex_values import Attributes, flex_id, flex_moment

_ACTIONS: Final[Mapping[str, ExecutionKind]] = {
    **dict.fromkeys(("FS", "RS", "SD", "FI", "CS"), ExecutionKind.SPLIT),
    **dict.fromkeys(("IC", "NC"), ExecutionKind.SYMBOL_CHANGE),
    **dict.fromkeys(
        ("TC", "TO", "TI", "CA", "CC", "CO", "SO", "RI", "DI", "PI", "CI", "CH", "HI", "HD", "SR",
         "OR", "GV", "BC", "BM", "ED", "DW", "CD", "CP", "PV"),
        ExecutionKind.MERGER,
    ),
}  # fmt: skip
#: What takes shares and gives nothing for them.
_WORTHLESS: Final = frozenset({"DW", "ED"})
#: Words of a description, and the type they stand for. The first that fits counts.
_WORDS: Final = (
    (re.compile(r"\bSplit \d", re.IGNORECASE | re.ASCII), "FS"),
    (re.compile(r"\bStock Dividend\b", re.IGNORECASE), "SD"),
    (re.compile(r"\b(CUSIP|ISIN|Symbol|Name) ?/?\w* ?Change", re.IGNORECASE), "IC"),
    (re.compile(r"\bSpin-?off\b", re.IGNORECASE), "SO"),
    (re.compile(r"\bExpire Dividend Right", re.IGNORECASE), "ED"),
    (re.compile(r"\bDividend Rights Issue\b", re.IGNORECASE), "DI"),
    (re.compile(r"\bRights\b", re.IGNORECASE), "RI"),
    (re.compile(r"\bDelist", re.IGNORECASE), "DW"),
    (re.compile(r"\b(Merged|Merger|Tendered|Acquisition)\b", re.IGNORECASE), "TC"),
)


def read_corporate_actions(
    rows: Sequence[Attributes],
) -> Iterator[BrokerExecution | CashMovement | RejectedRow]:
    """Read the corporate actions of one file; each row gives one event, or the reason why not."""
    signs: dict[tuple[str, ...], set[bool]] = {}
    for row in rows:
        signs.setdefault(_name(row), set()).add(row.get("quantity", "").startswith("-"))
    for row in rows:
        name = _name(row)
        try:
            yield _read(row, action=name[-1], is_exchange=len(signs[name]) > 1)
        except BadRow as error:
            yield rejected_row("CorporateAction", error.reason, row)


def _name(row: Attributes) -> tuple[str, ...]:
    """Return account, time and name of the action that a row belongs to."""
    description = row.get("description", "") or row.get("actionDescription", "")
    head = description.rpartition(" (")[0] or description
    action = flex_id(row, "actionID") or " ".join(head.split()).casefold()[:64]
    return row.get("accountId", ""), row.get("dateTime", ""), action


def _read(row: Attributes, *, action: str, is_exchange: bool) -> BrokerExecution | CashMovement:
    code = row.get("type", "") or _told(row)
    kind = _ACTIONS.get(code)
    if kind is None:
        shown = code or row.get("description", "")
        raise BadRow(f"type: corporate action {shown[:16]!r} is not one that is known")
    at = flex_moment(row, "dateTime", "reportDate")
    proceeds = parse_decimal(row.get("proceeds"), "proceeds")
    if proceeds and not parse_decimal(row.get("quantity"), "quantity"):
        return cash_movement(row, CashKind.ADJUSTMENT, proceeds, at)
    event = replace(carried(row, kind, at=at), order_id=action)
    if is_exchange or not (proceeds or code in _WORTHLESS):
        return event
    # Nothing comes for the shares but cash: they are sold for it.
    units = event.quantity * event.contract.multiplier
    return replace(
        event,
        kind=ExecutionKind.CASH_SETTLEMENT,
        price=parse_decimal(abs(proceeds or Decimal(0)) / units, "proceeds", required=True),
        position_effect="CLOSE",
        broker_realized_pnl=parse_decimal(row.get("fifoPnlRealized"), "fifoPnlRealized"),
    )


def _told(row: Attributes) -> str:
    description = row.get("description", "") or row.get("actionDescription", "")
    return next((code for words, code in _WORDS if words.search(description)), "")
