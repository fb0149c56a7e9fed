"""Cash settlements of options: IBKR books the option at zero, and tells the cash in its ledger.

Source: IBKR, Statement of Funds, "Option Cash Settlement for: Assignment".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from greeks.domain import RejectedRow
from greeks.providers.decoding import BadRow, parse_decimal, rejected_row
from portfolio.domain import BrokerExecution, ExecutionKind
from trades.importing.flex_values import Attributes

_SETTLED: Final = "option cash settlement"
_BOOKED: Final = frozenset({ExecutionKind.ASSIGNMENT, ExecutionKind.EXERCISE})
Key = tuple[str, str]


@dataclass(slots=True)
class CashSettlements:
    """The lines of the ledger that settle options, by account and contract."""

    lines: dict[Key, list[Attributes]] = field(default_factory=lambda: defaultdict(list))

    @property
    def number(self) -> int:
        return sum(map(len, self.lines.values()))

    def note(self, line: Attributes) -> bool:
        """Note a line of the ledger; return whether it settles an option."""
        if not line.get("activityDescription", "").lower().startswith(_SETTLED):
            return False
        # The ledger may be told in the base currency too.
        if line.get("levelOfDetail", "").lower() != "basecurrency":
            self.lines[_key(line)].append(line)
        return True

    def settles(self, row: BrokerExecution) -> bool:
        """Whether the row books at zero an option that a line settles."""
        return row.kind in _BOOKED and not row.price and _key(row.raw or {}) in self.lines

    def applied(
        self, bookings: Iterable[BrokerExecution]
    ) -> tuple[list[BrokerExecution], list[RejectedRow]]:
        """Return the bookings that lines settle, with their cash, and the lines without one."""
        found: list[BrokerExecution] = []
        booked: dict[Key, list[BrokerExecution]] = defaultdict(list)
        for row in bookings:
            booked[_key(row.raw or {})].append(row)
        left = dict(self.lines)
        refused: list[RejectedRow] = []
        for key, rows in booked.items():
            cash = _cash(left[key])
            if cash is None:
                found += rows
                continue
            lines = left.pop(key)
            try:
                found += _settled(rows, cash)
            except BadRow as error:
                found += rows
                refused += [rejected_row("cash", error.reason, line) for line in lines]
        reason = "symbol: the option that this cash settles is not booked in the statement"
        lines = [line for group in left.values() for line in group]
        return found, refused + [rejected_row("cash", reason, line) for line in lines]


def _settled(rows: Sequence[BrokerExecution], cash: Decimal) -> list[BrokerExecution]:
    """Return one contract's bookings, each with its share of the cash. Raises BadRow."""
    total = sum((row.quantity for row in rows), Decimal(0))
    return [
        replace(
            row,
            kind=ExecutionKind.CASH_SETTLEMENT,
            price=parse_decimal(
                abs(cash) / (total * row.contract.multiplier), "amount", required=True
            ),
            value=parse_decimal(cash * row.quantity / total, "amount", required=True),
        )
        for row in rows
    ]


def _key(row: Attributes) -> Key:
    return row.get("accountId", ""), row.get("symbol", "") or row.get("conid", "")


def _cash(lines: Iterable[Attributes]) -> Decimal | None:
    try:
        parts = [parse_decimal(line.get("amount"), "amount", required=True) for line in lines]
    except BadRow:
        return None
    return sum(parts, Decimal(0)) if parts else None
