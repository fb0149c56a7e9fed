"""What is done for all signals each minute."""

from __future__ import annotations

from trades.trade_signals.moving import expire_signals
from trades.trade_signals.tying import tie_signals


def follow_signals() -> None:
    """Tie signals to new trades, and expire those whose time is over. Safe to repeat."""
    tie_signals()
    expire_signals()
