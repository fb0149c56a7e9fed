"""The work on all signals each minute."""

from __future__ import annotations

from trades.trade_signals.exits.evaluation import follow_exits
from trades.trade_signals.moving import expire_signals
from trades.trade_signals.shadows.following import follow_shadows
from trades.trade_signals.ties.tying import release_ties, tie_signals


def follow_signals() -> None:
    """Tie signals to new trades, mark what is held on paper, expire, exit. Safe to repeat."""
    release_ties()
    tie_signals()
    follow_shadows()
    expire_signals()
    follow_exits()
