"""What a transaction of Tastytrade is: by type, sub-type and description.

Sub-types mislead (interest stands under "Deposit" and "Withdrawal"), so rules read all three. What
no rule takes goes to quarantine by name. Source: Tastytrade's API documentation, "Transactions",
and real exports.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from greeks.providers.decoding import BadRow
from portfolio.domain import CashKind, ExecutionKind

#: Type "Receive Deliver" by sub-type.
_RECEIVED: Final[Mapping[str, ExecutionKind]] = {
    "Expiration": ExecutionKind.EXPIRATION,
    "Maturity": ExecutionKind.EXPIRATION,
    "Assignment": ExecutionKind.ASSIGNMENT,
    "Exercise": ExecutionKind.EXERCISE,
    "Cash Settled Assignment": ExecutionKind.CASH_SETTLEMENT,
    "Cash Settled Exercise": ExecutionKind.CASH_SETTLEMENT,
    # The shares are gone for cash: a close at what was paid for them.
    "Cash Merger": ExecutionKind.CASH_SETTLEMENT,
    "Futures Settlement": ExecutionKind.CASH_SETTLEMENT,
    "Buy to Open": ExecutionKind.DELIVERY,
    "Buy to Close": ExecutionKind.DELIVERY,
    "Sell to Open": ExecutionKind.DELIVERY,
    "Sell to Close": ExecutionKind.DELIVERY,
    # Futures know no opening and closing.
    "Buy": ExecutionKind.DELIVERY,
    "Sell": ExecutionKind.DELIVERY,
    "Forward Split": ExecutionKind.SPLIT,
    "Reverse Split": ExecutionKind.SPLIT,
    "Reverse Split Removal": ExecutionKind.SPLIT,
    "Stock Merger": ExecutionKind.MERGER,
    "Stock Merger Removal": ExecutionKind.MERGER,
    "Symbol Change": ExecutionKind.SYMBOL_CHANGE,
    # Options are adjusted by it.
    "Special Dividend": ExecutionKind.SYMBOL_CHANGE,
    "ACAT": ExecutionKind.TRANSFER,
    "Transfer": ExecutionKind.TRANSFER,
    "Dividend": ExecutionKind.DIVIDEND_REINVESTMENT,
}
#: Type "Money Movement" by sub-type.
_MONEY: Final[Mapping[str, CashKind]] = {
    "Credit Interest": CashKind.INTEREST,
    "Debit Interest": CashKind.INTEREST,
    "Dividend": CashKind.DIVIDEND,
    "Special Dividend": CashKind.DIVIDEND,
    "Fee": CashKind.FEE,
    "Fully Paid Stock Lending Income": CashKind.LENDING,
    "Mark to Market": CashKind.FUTURES_SETTLEMENT,
    "Futures Settlement": CashKind.FUTURES_SETTLEMENT,
    "Transfer": CashKind.EXTERNAL_FLOW,
    "ACAT": CashKind.EXTERNAL_FLOW,
    "Balance Adjustment": CashKind.ADJUSTMENT,
    "Cash Merger": CashKind.ADJUSTMENT,
    "Maturity": CashKind.ADJUSTMENT,
}
_BY_DESCRIPTION: Final = (
    # "INTEREST ON CREDIT BALANCE", "FROM 12/16 THRU 01/15 @ 8    %"
    (re.compile(r"\bCASH IN LIEU\b"), CashKind.ADJUSTMENT),
    (re.compile(r"\bIN LIEU OF DIVIDEND|\bPAYMENT IN LIEU\b"), CashKind.DIVIDEND),
    (re.compile(r"\bINTEREST\b|\bFROM \d+/\d+ THRU \d+/\d+", re.ASCII), CashKind.INTEREST),
    (re.compile(r"\bFEES?\b"), CashKind.FEE),
    (re.compile(r"\bWITHHOLD|\bTAX(ES)?\b"), CashKind.TAX),
    (re.compile(r"\bDIVIDENDS?\b"), CashKind.DIVIDEND),
    (re.compile(r"\bLENDING\b"), CashKind.LENDING),
)
_HELD_BACK: Final = re.compile(r"\bADR\b.*\bFEES?\b|\bWITHH(OLD|ELD)", re.IGNORECASE)


def execution_kind(type_name: str, sub_type: str) -> ExecutionKind | None:
    """Return what a row that changes a position is, ``None`` if it moves only cash.

    Raises BadRow for a sub-type that is not known.
    """
    if type_name == "Trade":
        return ExecutionKind.TRADE
    if type_name in ("Receive Deliver", "Administrative Transfer"):
        kind = _RECEIVED.get(sub_type)
        if kind is None:
            raise BadRow(f"sub-type: {sub_type[:40]!r} of {type_name} is not one that is known")
        return kind
    if type_name == "Money Movement":
        return None
    raise BadRow(f"type: {type_name[:40]!r} is not one that is known")


def cash_kind(sub_type: str, description: str) -> CashKind:
    """Return what moved cash. Raises BadRow for a sub-type that is not known."""
    if sub_type in ("Deposit", "Withdrawal", "Balance Adjustment"):
        text = description.upper()
        told = next((kind for pattern, kind in _BY_DESCRIPTION if pattern.search(text)), None)
        if told is not None:
            return told
        return _MONEY.get(sub_type, CashKind.EXTERNAL_FLOW)
    # What is held back from a dividend stands under it too.
    if sub_type == "Dividend" and _HELD_BACK.search(description):
        return CashKind.FEE if "FEE" in description.upper() else CashKind.TAX
    kind = _MONEY.get(sub_type)
    if kind is None:
        raise BadRow(f"sub-type: {sub_type[:40]!r} of Money Movement is not one that is known")
    return kind
