from trades.models.cash_movement import CashMovementRow
from trades.models.execution import TradeExecution
from trades.models.execution_quarantine import QuarantinedExecution
from trades.models.journal_run import JournalRun

__all__ = ["CashMovementRow", "JournalRun", "QuarantinedExecution", "TradeExecution"]
