from trades.models.annotation import TradeNote, TradeOverride, TradeReview, TradeTag
from trades.models.cash_movement import CashMovementRow
from trades.models.entry_context import EntryContext
from trades.models.execution import TradeExecution
from trades.models.execution_quarantine import QuarantinedExecution
from trades.models.exit_rule import ExitRule, ExitSignal, TradePeak
from trades.models.journal_run import JournalRun
from trades.models.journal_settings import JournalSettings
from trades.models.lot import TradeLot
from trades.models.pending_import import PendingImport
from trades.models.provisional_close import ProvisionalClose
from trades.models.regime import IndexClose, RegimeDay
from trades.models.shadow_position import ShadowPosition
from trades.models.signal import SignalChange, SignalSource, TradeSignal
from trades.models.trade import Trade, TradeFill, TradeLeg, TradeRoll
from trades.models.trade_marks import TradeMarks

__all__ = [
    "CashMovementRow",
    "EntryContext",
    "ExitRule",
    "ExitSignal",
    "IndexClose",
    "JournalRun",
    "JournalSettings",
    "PendingImport",
    "ProvisionalClose",
    "QuarantinedExecution",
    "RegimeDay",
    "ShadowPosition",
    "SignalChange",
    "SignalSource",
    "Trade",
    "TradeExecution",
    "TradeFill",
    "TradeLeg",
    "TradeLot",
    "TradeMarks",
    "TradeNote",
    "TradeOverride",
    "TradePeak",
    "TradeReview",
    "TradeRoll",
    "TradeSignal",
    "TradeTag",
]
