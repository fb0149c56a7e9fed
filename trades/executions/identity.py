"""Identity of executions and cash movements: one fill is one row, whichever source sends it."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from decimal import Decimal

from portfolio.domain import Broker, BrokerExecution, CashMovement

#: IBKR's corrections: ``0000e0d5.69dd7411.01.01`` → ``….01.02``.
_REVISED = re.compile(r"(?P<root>.+)\.(?P<revision>\d{1,4})", re.ASCII)
#: Vendors' clocks are cut to seconds in some sources and not in others.
CLOCK_STEP = timedelta(seconds=1)
_PRICE_TOLERANCE = Decimal("1e-6")


def own_id(row: BrokerExecution) -> str:
    """Return the id under which the row is stored; empty if the broker gave none."""
    if row.broker_execution_id:
        return row.broker_execution_id
    if row.transaction_id:
        return f"T:{row.account_number}:{row.transaction_id}"
    if row.trade_id:
        return f"D:{row.account_number}:{row.trade_id}"
    return ""


def root_and_revision(broker: Broker, execution_id: str) -> tuple[str, int]:
    """Split an IBKR execution id into its root and revision; others have revision 0."""
    matched = _REVISED.fullmatch(execution_id) if broker is Broker.IBKR else None
    if matched is None or execution_id[:2] in ("T:", "D:", "F:"):
        return execution_id, 0
    return matched["root"], int(matched["revision"])


def fingerprint(row: BrokerExecution, account_id: str, key: str, at: datetime) -> str:
    """Return a digest of what the row says economically, to the second.

    Rows without ids match by it as a multiset: a file contributes as many equal rows as it holds
    beyond those stored. An unknown side or price is part of it as such.
    """
    facts = (
        account_id,
        key,
        row.kind.value,
        row.side.value if row.side else "",
        _plain(row.quantity),
        _plain(row.price),
        at.replace(microsecond=0).isoformat(),
        row.order_id,
    )
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def movement_fingerprint(row: CashMovement, account_id: str) -> str:
    """Return a digest of what a cash movement says, to the second."""
    facts = (
        account_id,
        row.kind.value,
        _plain(row.amount),
        row.currency,
        row.moved_at.replace(microsecond=0).isoformat(),
        row.symbol,
        row.description,
    )
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def same_price(first: Decimal | None, second: Decimal | None) -> bool:
    """Whether two sources' prices are one: missing agrees with any, rounding is forgiven."""
    if first is None or second is None or first == second:
        return True
    return abs(first - second) <= _PRICE_TOLERANCE * max(abs(first), abs(second))


def _plain(number: Decimal | None) -> str:
    return "" if number is None else f"{number.normalize():f}"
