"""Live books: one feed for each set of accounts in a process, however many sockets watch it.

A sync in any process announces a new version over the hub; the feed reads the book once, works
out what changed and hands one prepared text to every socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import structlog

from config.core.live.feeds import Feeds, frame, read_in_thread
from config.core.live.hub import Outbox, broadcast, hub
from portfolio.refresh.asked import note_announced
from portfolio.risk_monitor.body import RiskMonitor, accounts_shown, risk_monitor_of

logger = structlog.get_logger(__name__)

# A burst of announcements (two brokers, progress, Greeks) becomes one read.
DEBOUNCE_SECONDS = 0.05
# Besides announcements a feed looks by itself: a lost announcement costs seconds, not the day.
LOOK_SECONDS = 15.0


def snapshot_frame(monitor: RiskMonitor) -> str:
    return frame(
        "portfolio.snapshot",
        msgspec.Raw(monitor.to_json()),
        version=monitor.version,
        as_of=monitor.head["as_of"],
    )


def changes(before: RiskMonitor, after: RiskMonitor) -> dict[str, Any] | None:
    """What changed between two readings, or ``None``. Rows are whole, so applying is idempotent."""
    old_accounts = {row["account_id"]: row for row in before.head["accounts"]}
    old_positions = {row["id"]: row for row in before.book.positions}
    new_ids = {row["id"] for row in after.book.positions}
    accounts = [r for r in after.head["accounts"] if old_accounts.get(r["account_id"]) != r]
    positions = [r for r in after.book.positions if old_positions.get(r["id"]) != r]
    removed = [position_id for position_id in old_positions if position_id not in new_ids]
    flags = ("stale", "refreshing", "simulated", "scenarios")
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
        **{name: after.head[name] for name in (*flags, "clock")},
    }


class BookFeed:
    """Watches a set of accounts and forwards frames to its sockets."""

    def __init__(self, account_ids: Sequence[str]) -> None:
        self.account_ids = tuple(sorted(account_ids))
        self.outboxes: set[Outbox] = set()
        self._monitor: RiskMonitor | None = None
        # Encoded for the first socket that asks; a thousand that reconnect share it.
        self._snapshot: tuple[RiskMonitor, str] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._again = False
        self._looking: asyncio.Task[None] | None = None

    @property
    def key(self) -> tuple[str, ...]:
        return self.account_ids

    @property
    def groups(self) -> list[str]:
        return [f"portfolio.account.{account_id}" for account_id in self.account_ids]

    async def open(self) -> None:
        try:
            for group in self.groups:
                await hub().join(group, self._announced)
            self._monitor = await self._read()
        except BaseException:
            await self.close()
            raise
        self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        for group in self.groups:
            await hub().leave(group, self._announced)
        for task in (self._reading, self._looking):
            if task is not None:
                task.cancel()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._read_soon()

    def snapshot(self) -> str:
        if self._monitor is None:
            raise RuntimeError("a feed is opened before it is asked for a snapshot")
        if self._snapshot is None or self._snapshot[0] is not self._monitor:
            self._snapshot = (self._monitor, snapshot_frame(self._monitor))
        return self._snapshot[1]

    async def _read(self) -> RiskMonitor:
        def call() -> RiskMonitor:
            return risk_monitor_of(accounts_shown(self.account_ids))

        return await read_in_thread(call)

    def _announced(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "hub.lost":
            return
        note_announced(message)
        if kind == "sync.progressed":
            data = {name: value for name, value in message.items() if name != "type"}
            self._send(f"progress:{data.get('run_id')}", frame("sync.progressed", data))
            if data.get("outcome") in (None, "running"):
                return
        self._read_soon()

    def _read_soon(self) -> None:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._refresh())
        else:
            self._again = True

    async def _refresh(self) -> None:
        while True:
            self._again = False
            await asyncio.sleep(DEBOUNCE_SECONDS)
            before = self._monitor
            try:
                after = await self._read()
            except Exception:
                # The page keeps its last values; the next announcement reads again.
                logger.exception("live_book_read_failed", accounts=self.account_ids)
                return
            self._monitor = after
            if before is not None:
                data = changes(before, after)
                if data is not None:
                    self._send(
                        "book",
                        frame(
                            "portfolio.changed",
                            data,
                            version=after.version,
                            previous_version=before.version,
                            as_of=after.head["as_of"],
                        ),
                    )
            if not self._again:
                return

    def _send(self, key: str, text: str) -> None:
        broadcast(tuple(self.outboxes), text, name=key)


class BookFeeds(Feeds[tuple[str, ...], BookFeed]):
    """The feeds of this process, by the accounts that they watch."""

    def __init__(self) -> None:
        super().__init__(BookFeed)

    async def join(self, key: Sequence[str], outbox: Outbox) -> BookFeed:
        return await super().join(tuple(sorted(key)), outbox)


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, BookFeeds] = WeakKeyDictionary()


def feeds() -> BookFeeds:
    """The feeds of the running event loop: one set a process, as a process runs one loop."""
    return _feeds.setdefault(asyncio.get_running_loop(), BookFeeds())
