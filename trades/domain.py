"""What the journal makes of an execution's kind."""

from __future__ import annotations

from portfolio.domain import ExecutionKind

#: Lots move with basis and date: no profit, no trade, no roll.
CARRIES_LOTS = frozenset(
    {
        ExecutionKind.SPLIT,
        ExecutionKind.SYMBOL_CHANGE,
        ExecutionKind.MERGER,
        ExecutionKind.TRANSFER,
    }
)
#: Cash only: the position stays.
MOVES_NO_POSITION = frozenset({ExecutionKind.FUTURES_SETTLEMENT, ExecutionKind.FX})
