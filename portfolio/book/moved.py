"""Invalidate cached answers when an account's holdings change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from config.core.caching.changes import Change
from config.core.caching.invalidation import invalidate_after_commit
from portfolio.book.position_row import KnownPosition, PositionKey, PositionRow


def invalidate_if_moved(
    *,
    account_id: str,
    known: Mapping[PositionKey, KnownPosition],
    held: Iterable[PositionRow],
    source: str,
) -> bool:
    """Invalidate after the commit if a quantity differs; new prices alone are left to the times.

    Returns whether one does.
    """
    before = {place: each.quantity for place, each in known.items()}
    if before == {row.key: row.quantity for row in held}:
        return False
    invalidate_after_commit(
        Change.POSITION_UPDATE, account_ids=[account_id], triggered_by=f"sync of {source}"
    )
    return True
