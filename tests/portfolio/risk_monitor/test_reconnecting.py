"""A thousand pages that come back at once: one reading, one snapshot, and nobody waits for a slow
one."""

from __future__ import annotations

import asyncio
import json

import pytest

from config.core.clock import now
from config.core.live.outbox import Outbox
from portfolio.models import Account
from portfolio.risk_monitor import feed as book_feed
from portfolio.risk_monitor.body import RiskMonitor, risk_monitor_of
from portfolio.risk_monitor.consumer import feeds
from tests.factories import AccountFactory, PositionFactory

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True)]
PAGES = 1000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def account() -> Account:
    found: Account = AccountFactory(last_synced_at=now())
    PositionFactory(account=found)
    return found


async def test_thousand_that_reconnect_at_once_share_one_reading_and_one_snapshot(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings: list[int] = []
    encoded: list[int] = []

    def read(accounts: list[Account]) -> RiskMonitor:
        readings.append(len(accounts))
        return risk_monitor_of(accounts)

    def to_json(monitor: RiskMonitor) -> bytes:
        encoded.append(monitor.version)
        return original(monitor)

    original = RiskMonitor.to_json
    monkeypatch.setattr(book_feed, "risk_monitor_of", read)
    monkeypatch.setattr(RiskMonitor, "to_json", to_json)
    taken: list[str] = []
    stalled = asyncio.Event()

    async def take(text: str) -> None:
        taken.append(text)

    async def take_nothing(_: str) -> None:
        await stalled.wait()

    outboxes = [Outbox(take_nothing if number % 10 == 0 else take) for number in range(PAGES)]

    async def come_back(outbox: Outbox) -> None:
        feed = await feeds().join((account.pk,), outbox)
        outbox.put(feed.snapshot(), name="snapshot")

    await asyncio.gather(*(come_back(outbox) for outbox in outboxes))
    while len(taken) < PAGES * 9 // 10:
        await asyncio.sleep(0)
    assert (readings, encoded) == ([1], [account.book_version])
    assert len({id(text) for text in taken}) == 1
    assert json.loads(taken[0])["data"]["accounts"][0]["account_id"] == account.pk
    feed = await feeds().join((account.pk,), outboxes[0])
    for outbox in outboxes:
        await outbox.close()
        await feeds().leave(feed, outbox)
