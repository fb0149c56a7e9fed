"""Live books: the frames for the open pages of a set of accounts.

A sync in any process announces a new version over the hub; the feed reads the book once and works
out what changed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from config.core.live.feeds import Feed, frame
from config.core.live.hub import Message
from portfolio.refresh.asked import note_announced
from portfolio.risk_monitor.body import RiskMonitor, accounts_shown, risk_monitor_of


def changes(before: RiskMonitor, after: RiskMonitor) -> dict[str, Any] | None:
    """What changed between two readings, or ``None``. Rows are whole, so applying is idempotent.

    A new version alone is a change: a page that did not hear of it would miss the next one.
    """
    old_accounts = {row["account_id"]: row for row in before.head["accounts"]}
    old_positions = {row["id"]: row for row in before.book.positions}
    new_ids = {row["id"] for row in after.book.positions}
    accounts = [r for r in after.head["accounts"] if old_accounts.get(r["account_id"]) != r]
    positions = [
        row
        for row in after.book.positions
        # A row that did not change is the same one: no need to look into it.
        if (old := old_positions.get(row["id"])) is not row and old != row
    ]
    removed = [position_id for position_id in old_positions if position_id not in new_ids]
    flags = ("version", "stale", "refreshing", "simulated", "scenarios")
    if (
        not (accounts or positions or removed)
        and before.book.totals == after.book.totals
        and all(before.head[name] == after.head[name] for name in flags)
    ):
        return None
    return {
        "accounts": accounts,
        "positions": positions,
        "removed": removed,
        "totals": after.book.totals,
        **{name: after.head[name] for name in (*flags[1:], "clock")},
    }


class BookFeed(Feed[tuple[str, ...], RiskMonitor]):
    """Watches a set of accounts, by their sorted ids. Frames are numbered by the book's version."""

    def groups(self, state: RiskMonitor | None) -> list[str]:
        return [f"portfolio.account.{account_id}" for account_id in self.key]

    def read(self, before: RiskMonitor | None) -> RiskMonitor:
        return risk_monitor_of(accounts_shown(self.key))

    def snapshot_frame(self) -> str:
        return frame(
            "portfolio.snapshot",
            msgspec.Raw(self.state.to_json()),
            version=self.state.version,
            as_of=self.state.head["as_of"],
        )

    def heard(self, message: Message) -> bool:
        """Forward a sync's progress, which alone changes nothing; anything else requires a read."""
        note_announced(message)
        if message.get("type") != "sync.progressed":
            return True
        data = {name: value for name, value in message.items() if name != "type"}
        self.send(frame("sync.progressed", data), name=f"progress:{data.get('run_id')}")
        return data.get("outcome") not in (None, "running")

    def tell(self, before: RiskMonitor, after: RiskMonitor) -> None:
        data = changes(before, after)
        if data is not None:
            text = frame(
                "portfolio.changed",
                data,
                version=after.version,
                previous_version=before.version,
                as_of=after.head["as_of"],
            )
            self.send_change(text, name="book")
