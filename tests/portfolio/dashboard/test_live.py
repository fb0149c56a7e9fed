"""The live dashboard over a real websocket application, the real hub and a real Valkey."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from auth_tokens.models import User
from config.core.clock import now
from config.core.live.outbox import Outbox
from portfolio.dashboard.feed import DashboardFeed, State, Watched, feeds
from portfolio.models import Account, AccountAccess
from tests.factories import AccountFactory, UserFactory
from tests.portfolio.risk_monitor.test_live import (
    account_of,
    commit_price,
    run,
    signed_in_cookie,
)
from tests.sockets import ORIGIN, socket

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True), pytest.mark.any_database]
SOCKET = "/ws/dashboard"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_snapshot_comes_first_and_then_the_sections_that_change(trader: User) -> None:
    account = await run(account_of, trader)
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path=SOCKET) as (client_end, connected):
        assert connected
        snapshot = await client_end.frame()
        assert snapshot["type"] == "dashboard.snapshot"
        assert snapshot["data"]["positions"][0]["current_price"] == 4
        await run(commit_price, account, "4.75")
        changed = await client_end.frame()
    assert changed["type"] == "dashboard.changed"
    assert changed["previous_version"] == snapshot["version"]
    assert changed["data"]["sections"]["positions"][0]["current_price"] == Decimal("4.75")
    assert changed["data"]["errors"].keys() == snapshot["data"]["errors"].keys()


async def test_accounts_of_others_are_neither_watched_nor_sent(trader: User) -> None:
    stranger = await run(UserFactory)
    foreign = await run(account_of, stranger)
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path=SOCKET) as (client_end, _):
        assert (await client_end.frame())["data"]["positions"] == []
    named = f"{SOCKET}?account_id={foreign.pk}"
    async with socket(cookie, ORIGIN, path=named) as (client_end, connected):
        assert connected
        assert (await client_end.output())["code"] == 4404


async def test_nobody_watches_without_a_session() -> None:
    async with socket(ORIGIN, path=SOCKET) as (_, connected):
        assert not connected


async def test_shared_account_is_watched_by_whom_it_is_shared_with(trader: User) -> None:
    def share() -> Account:
        account: Account = AccountFactory()
        AccountAccess.objects.create(account=account, user=trader)
        return account

    account = await run(share)
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path=f"{SOCKET}?account_id={account.pk}") as (end, _):
        assert (await end.frame())["type"] == "dashboard.snapshot"


def reading(**sections: int) -> State:
    bodies = {name: SimpleNamespace(body=value) for name, value in sections.items()}
    dashboard = SimpleNamespace(sections=bodies, errors={}, timestamp=now())
    return State(cast(Any, dashboard), sections)


async def test_who_wants_changes_seldom_gets_all_sections_that_changed_in_one() -> None:
    sent: asyncio.Queue[str] = asyncio.Queue()
    feed, outbox = DashboardFeed(Watched(1, None, ())), Outbox(sent.put)
    outbox.every = 1
    feed.outboxes.add(outbox)
    states = [
        reading(positions=1, signals=1, status=1),
        reading(positions=2, signals=1, status=1),
        reading(positions=2, signals=2, status=1),
        reading(positions=3, signals=2, status=1),
    ]
    opened_at = feed.number

    async def moved(*pairs: tuple[State, State]) -> dict[str, Any]:
        for before, feed.state in pairs:
            feed.tell(before, feed.state)
        async with asyncio.timeout(10):
            return json.loads(await sent.get())

    first = await moved((states[0], states[1]))
    both = await moved((states[1], states[2]), (states[2], states[3]))
    assert [each["type"] for each in (first, both)] == ["dashboard.changed"] * 2
    assert [each["previous_version"] for each in (first, both)] == [opened_at, first["version"]]
    assert first["data"]["sections"] == {"positions": 2}
    assert both["data"]["sections"] == {"positions": 3, "signals": 2}
    assert both["version"] == feed.number == opened_at + 3
    await outbox.close()


async def test_open_dashboard_has_its_users_frequency(trader: User) -> None:
    await run(account_of, trader)
    await run(lambda: User.objects.filter(pk=trader.pk).update(live_every=30))
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path=SOCKET) as (client_end, _):
        await client_end.frame()
        (feed,) = feeds()._feeds.values()
        assert [each.every for each in feed.outboxes] == [30]
