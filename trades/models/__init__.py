from trades.models.annotation import TradeNote, TradeOverride, TradeReview, TradeTag
from trades.models.cash_movement import CashMovementRow
from trades.models.entry_context import EntryContext
from trades.models.execution import TradeExecution
from trades.models.execution_quarantine import QuarantinedExecution
from trades.models.journal_run import JournalRun
from trades.models.journal_settings import JournalSettings
from trades.models.lot import TradeLot
from trades.models.pending_import import PendingImport
from trades.models.provisional_close import ProvisionalClose
from trades.models.regime import IndexClose, RegimeDay
from trades.models.trade import Trade, TradeFill, TradeLeg, TradeRoll
from trades.models.trade_marks import TradeMarks

__all__ = [
    "CashMovementRow",
    "EntryContext",
    "IndexClose",
    "JournalRun",
    "JournalSettings",
    "PendingImport",
    "ProvisionalClose",
    "QuarantinedExecution",
    "RegimeDay",
    "Trade",
    "TradeExecution",
    "TradeFill",
    "TradeLeg",
    "TradeLot",
    "TradeMarks",
    "TradeNote",
    "TradeOverride",
    "TradeReview",
    "TradeRoll",
    "TradeTag",
]
