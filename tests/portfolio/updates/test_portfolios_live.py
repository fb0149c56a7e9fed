"""Portfolios' figures over a real websocket application, the real hub and a real Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from auth_tokens.models import User
from portfolio.accounts.portfolios import remove_portfolio, save_notices, save_portfolio
from portfolio.models import Account, AccountAccess, Portfolio, Position
from portfolio.risk_monitor.consumer import feeds
from portfolio.updates.calculation import recalculate
from portfolio.updates.feed import PortfoliosFeed
from tests.factories import AccountFactory, PositionFactory, UserFactory
from tests.portfolio.risk_monitor.test_live import commit_price, run, signed_in_cookie
from tests.sockets import ORIGIN, socket

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True), pytest.mark.any_database]
SOCKET = "/ws/portfolio?view=portfolios"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def trader() -> User:
    return UserFactory()


def account_of(owner: User) -> Account:
    account: Account = AccountFactory(owner=owner)
    PositionFactory(account=account, market_value=1_000, daily_change=0)
    return account


def total(owner: User, value: int | None = None, change: int = 0) -> None:
    """What the update queue does once the positions of an account have moved."""
    if value is not None:
        Position.objects.filter(account__owner=owner).update(
            market_value=value, daily_change=change
        )
    recalculate([Portfolio.objects.get(owner=owner, holds_all=True).pk])


async def test_new_totals_become_a_frame_with_the_rows_of_the_api(trader: User) -> None:
    await run(account_of, trader)
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path=SOCKET) as (client_end, connected):
        assert connected
        snapshot = await client_end.frame()
        assert snapshot["type"] == "portfolios.snapshot"
        assert [row["value"] for row in snapshot["data"]["portfolios"]] == [None]
        await run(total, trader, 1_100, 100)
        changed = await client_end.frame()
    assert changed["type"] == "portfolios.changed"
    assert changed["previous_version"] == snapshot["version"]
    assert changed["data"]["removed"] == []
    (row,) = changed["data"]["portfolios"]
    assert (row["value"], row["daily_change"], row["daily_change_percent"]) == (1_100, 100, 10)
    assert row["by_currency"] == [{"currency": "USD", "value": 1_100, "daily_change": 100}]
    assert changed["as_of"] == row["last_updated"]
    assert await run(api_rows, trader) == [row]


def api_rows(user: User) -> Any:
    client = Client()
    client.force_login(user)
    return client.get("/api/portfolio/portfolios").json()["portfolios"]


async def test_others_totals_never_arrive(trader: User) -> None:
    stranger = await run(UserFactory)
    for owner in (trader, stranger):
        await run(account_of, owner)
    cookie = await run(signed_in_cookie, trader)
    mine = await run(lambda: str(Portfolio.objects.get(owner=trader).pk))
    async with socket(cookie, ORIGIN, path=SOCKET) as (client_end, _):
        held = (await client_end.frame())["version"]
        await run(total, stranger)
        await run(total, trader)
        changed = await client_end.frame()
    assert changed["previous_version"] == held
    assert [row["id"] for row in changed["data"]["portfolios"]] == [mine]


async def test_withdrawn_account_takes_its_figures_from_the_open_page(trader: User) -> None:
    def share() -> AccountAccess:
        account = account_of(UserFactory())
        return AccountAccess.objects.create(account=account, user=trader)

    access = await run(share)
    await run(total, trader)
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path=SOCKET) as (client_end, _):
        first = await client_end.frame()
        assert first["data"]["portfolios"][0]["value"] == 1_000
        await run(access.delete)
        second = await client_end.frame()
    assert second["type"] == "portfolios.snapshot"
    assert second["data"]["portfolios"][0]["value"] is None


async def test_slow_client_sees_a_gap_and_catches_up_with_one_snapshot(trader: User) -> None:
    await run(account_of, trader)
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path=SOCKET) as (client_end, _):
        held = (await client_end.frame())["version"]
        (feed,) = feeds()._feeds.values()
        assert isinstance(feed, PortfoliosFeed)
        (slow,) = feed.outboxes
        # While a frame is on its way, what comes is merged to the newest.
        may_send, sent = asyncio.Event(), slow._send

        async def send_late(text: str) -> None:
            await may_send.wait()
            await sent(text)

        slow._send = send_late
        for value in (1_100, 1_200, 1_300):
            number = feed.number
            await run(total, trader, value)
            async with asyncio.timeout(5):
                while feed.number == number:
                    await asyncio.sleep(0.01)
        may_send.set()
        frames = [await client_end.frame(), await client_end.frame()]
        assert [each["data"]["portfolios"][0]["value"] for each in frames] == [1_100, 1_300]
        assert frames[0]["previous_version"] == held
        assert frames[1]["previous_version"] != frames[0]["version"]
        await client_end.send('{"type": "resync"}')
        caught_up = await client_end.frame()
    assert caught_up["type"] == "portfolios.snapshot"
    assert caught_up["version"] == frames[1]["version"]
    assert caught_up["data"]["portfolios"][0]["value"] == 1_300


async def test_each_edit_of_a_portfolio_reaches_open_pages_by_itself(trader: User) -> None:
    account = await run(account_of, trader)
    cookie = await run(signed_in_cookie, trader)

    def save(name: str, account_ids: list[str], pk: int | None = None) -> int:
        saved = save_portfolio(user=trader, name=name, account_ids=account_ids, portfolio_id=pk)
        return saved.pk

    async with socket(cookie, ORIGIN, path=SOCKET) as (client_end, _):
        held = await client_end.frame()

        async def told(done: Callable[[dict[str, Any]], bool]) -> None:
            """Wait for the frame that says it; a change of a set may take two."""
            nonlocal held
            while True:
                changed = await client_end.frame()
                assert changed["type"] == "portfolios.changed"
                assert changed["previous_version"] == held["version"]
                held = changed
                if done(changed["data"]):
                    return

        pk = await run(save, "Made", [])
        await told(lambda data: [row["name"] for row in data["portfolios"]] == ["Made"])
        await run(save, "Renamed", [], pk)
        await told(lambda data: data["portfolios"][0]["name"] == "Renamed")
        await run(save, "Renamed", [account.pk], pk)
        await told(lambda data: data["portfolios"][0]["account_ids"] == [account.pk])
        await run(
            lambda: save_notices(
                user=trader, portfolio_id=pk, notice_percent=Decimal(2), daily_summary=True
            )
        )
        await told(lambda data: data["portfolios"][0]["notice_percent"] == 2)
        await run(lambda: remove_portfolio(user=trader, portfolio_id=pk))
        await told(lambda data: data == {"portfolios": [], "removed": [str(pk)]})


async def test_open_page_follows_a_new_frequency_at_once(trader: User) -> None:
    await run(account_of, trader)
    cookie = await run(signed_in_cookie, trader)

    def choose() -> None:
        client = Client()
        client.force_login(trader)
        sent = client.put(
            "/api/portfolio/live", {"every_seconds": 30}, content_type="application/json"
        )
        assert sent.status_code == 200

    async with socket(cookie, ORIGIN, path=SOCKET) as (client_end, _):
        await client_end.frame()
        (feed,) = feeds()._feeds.values()
        (outbox,) = feed.outboxes
        assert outbox.every == 0
        await run(choose)
        async with asyncio.timeout(5):
            while outbox.every != 30:
                await asyncio.sleep(0.01)


async def test_unknown_view_and_strangers_are_refused(trader: User) -> None:
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path="/ws/portfolio?view=other") as (client_end, _):
        assert (await client_end.output())["code"] == 4404
    async with socket(ORIGIN, path=SOCKET) as (_, connected):
        assert not connected


@pytest.mark.parametrize("path", [SOCKET, "/ws/portfolio"])
async def test_who_wants_changes_seldom_gets_snapshots_in_their_place(
    trader: User, path: str
) -> None:
    account = await run(account_of, trader)
    await run(lambda: User.objects.filter(pk=trader.pk).update(live_every=30))
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path=path) as (client_end, _):
        first = await client_end.frame()
        await run(commit_price, account, "4.75")
        await run(total, trader)
        second = await client_end.frame()
        assert second["type"] == first["type"]
        assert second["version"] == first["version"] + 1
        (feed,) = feeds()._feeds.values()
        await run(commit_price, account, "4.80")
        await run(total, trader)
        (outbox,) = feed.outboxes
        async with asyncio.timeout(5):
            while outbox._later is None:
                await asyncio.sleep(0.01)
        # It waits; a snapshot that is asked for comes at once, with all that was committed.
        await client_end.send('{"type": "resync"}')
        third = await client_end.frame()
        assert third["version"] == second["version"] + 1
