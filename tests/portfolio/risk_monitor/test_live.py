"""The live book over a real websocket application, the real hub and a real Valkey."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Hashable
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections
from django.db.utils import OperationalError
from django.test import Client

from auth_tokens.models import User
from auth_tokens.sessions.watch import user_of_session
from config.core.clock import now
from config.core.front_door.grants import ACCESS_GROUP
from config.core.live.hub import announce, hub
from config.core.live.outbox import Outbox, broadcast
from portfolio.models import Account, AccountAccess, Position
from portfolio.risk_monitor.body import risk_monitor_of
from portfolio.risk_monitor.consumer import PortfolioConsumer, feeds
from portfolio.risk_monitor.feed import changes
from tests.factories import AccountFactory, AccountStatusFactory, PositionFactory, UserFactory
from tests.sockets import ORIGIN, socket

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def account_of(owner: User) -> Account:
    account: Account = AccountFactory(owner=owner, last_synced_at=now())
    AccountStatusFactory(account=account)
    PositionFactory(account=account)
    return account


def signed_in_cookie(user: User) -> tuple[bytes, bytes]:
    client = Client()
    client.force_login(user)
    value = client.cookies[settings.SESSION_COOKIE_NAME].value
    return (b"cookie", f"{settings.SESSION_COOKIE_NAME}={value}".encode())


def commit_price(account: Account, price: str) -> None:
    """What a sync in a worker does: rows, version, announcement."""
    Position.objects.filter(account=account).update(price=Decimal(price))
    account.book_version += 1
    account.save(update_fields=["book_version"])
    announce(
        f"portfolio.account.{account.pk}",
        {"type": "account.changed", "account_id": account.pk, "version": account.book_version},
    )


def run(call: Callable[..., Any], *arguments: Any) -> Coroutine[Any, Any, Any]:
    """Run a synchronous call with the database off the event loop; leaves no connection open."""

    def and_close() -> Any:
        try:
            return call(*arguments)
        finally:
            connections.close_all()

    return sync_to_async(and_close, thread_sensitive=True)()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def trader() -> User:
    return UserFactory()


async def test_snapshot_comes_first_and_then_what_a_worker_commits(trader: User) -> None:
    account = await run(account_of, trader)
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN) as (client_end, connected):
        assert connected
        snapshot = await client_end.frame()
        assert snapshot["type"] == "portfolio.snapshot"
        assert snapshot["data"]["positions"][0]["price"] == 4
        await run(commit_price, account, "4.75")
        changed = await client_end.frame()
    assert changed["type"] == "portfolio.changed"
    assert changed["previous_version"] == snapshot["version"]
    assert changed["version"] == snapshot["version"] + 1
    assert [row["price"] for row in changed["data"]["positions"]] == [4.75]
    assert changed["data"]["removed"] == []


async def test_version_that_changes_nothing_leaves_no_gap(trader: User) -> None:
    account = await run(account_of, trader)
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN) as (client_end, _):
        held = (await client_end.frame())["version"]
        for price in ("4", "4", "4.75"):
            await run(commit_price, account, price)
            changed = await client_end.frame()
            assert changed["previous_version"] == held
            held = changed["version"]
    assert [row["price"] for row in changed["data"]["positions"]] == [4.75]


async def test_progress_of_a_sync_is_forwarded_with_its_step(trader: User) -> None:
    account = await run(account_of, trader)
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN) as (client_end, _):
        await client_end.frame()
        announce(
            f"portfolio.account.{account.pk}",
            {"type": "sync.progressed", "run_id": "r1", "account_id": account.pk,
             "step": "positions", "progress": 40, "outcome": "running"},
        )  # fmt: skip
        heard = await client_end.frame()
    assert heard["type"] == "sync.progressed"
    assert heard["data"]["progress"] == 40


async def test_resync_after_a_version_gap_sends_a_snapshot(trader: User) -> None:
    await run(account_of, trader)
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN) as (client_end, _):
        await client_end.frame()
        await client_end.send('{"type": "resync"}')
        assert (await client_end.frame())["type"] == "portfolio.snapshot"


@pytest.mark.parametrize(
    "text", ["rubbish", "[]", '{"type": "trade"}', '"' + "x" * 5000 + '"', "[" * 1000]
)
async def test_message_that_is_not_ours_closes_the_socket(trader: User, text: str) -> None:
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN) as (client_end, _):
        await client_end.frame()
        await client_end.send(text)
        closed = await client_end.output()
    assert closed == {"type": "websocket.close", "code": 4400}


async def test_stranger_and_foreign_origin_are_refused(trader: User) -> None:
    cookie = await run(signed_in_cookie, trader)
    for headers in (
        (ORIGIN,),
        (cookie, (b"origin", b"http://evil.example")),
        (cookie, (b"origin", b"http://testserver:8001")),
        (cookie, (b"origin", b"https://testserver")),
        # No browser sends these: no port and no address can be read from them.
        (cookie, (b"origin", b"http://testserver:80.evil.example")),
        (cookie, (b"origin", b"http://testserver:99999")),
        (cookie, (b"origin", b"http://[::1")),
    ):
        async with socket(*headers) as (_, connected):
            assert not connected, headers


async def test_address_without_a_websocket_is_refused(trader: User) -> None:
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path="/ws/nothing") as (_, connected):
        assert not connected


async def test_snapshot_asked_for_by_a_slow_socket_is_not_replaced_by_a_change(
    trader: User,
) -> None:
    account = await run(account_of, trader)
    may_send, sent = asyncio.Event(), []

    async def send_slowly(text: str) -> None:
        await may_send.wait()
        sent.append(json.loads(text)["type"])

    consumer = PortfolioConsumer()
    consumer.outbox = Outbox(send_slowly)
    consumer.feed = await feeds().join((account.pk,), consumer.outbox)
    try:
        consumer.outbox.put('{"type": "in.flight"}', name="progress")
        await asyncio.sleep(0)
        await consumer.receive('{"type": "resync"}')
        broadcast((consumer.outbox,), '{"type": "portfolio.changed"}', name="book")
        may_send.set()
        async with asyncio.timeout(5):
            while len(sent) < 3:
                await asyncio.sleep(0.01)
    finally:
        await feeds().leave(consumer.feed, consumer.outbox)
    assert sent == ["in.flight", "portfolio.snapshot", "portfolio.changed"]


async def test_socket_is_rechecked_after_a_recheck_that_failed(
    trader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(account_of, trader)
    cookie = await run(signed_in_cookie, trader)
    monkeypatch.setattr("auth_tokens.sessions.watch.RECHECK_SECONDS", 0.05)
    async with socket(cookie, ORIGIN) as (client_end, _):
        await client_end.frame()
        answers = iter([OperationalError("database is locked")])

        def refuse_once(session_key: str | None) -> User | None:
            for error in answers:
                raise error
            return None

        monkeypatch.setattr("auth_tokens.sessions.watch.user_of_session", refuse_once)
        assert (await client_end.frame())["type"] == "session.ended"
        assert await client_end.output() == {"type": "websocket.close", "code": 4401}


async def test_other_users_account_is_closed_as_unknown(trader: User) -> None:
    foreign = await run(account_of, await run(UserFactory))
    cookie = await run(signed_in_cookie, trader)
    path = f"/ws/portfolio?account_id={foreign.pk}"
    async with socket(cookie, ORIGIN, path=path) as (client_end, connected):
        assert connected
        assert await client_end.output() == {
            "type": "websocket.close",
            "code": 4404,
        }


async def test_other_users_changes_never_arrive(trader: User) -> None:
    mine = await run(account_of, trader)
    foreign = await run(account_of, await run(UserFactory))
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN) as (client_end, _):
        snapshot = await client_end.frame()
        assert [row["account_id"] for row in snapshot["data"]["accounts"]] == [mine.pk]
        await run(commit_price, foreign, "9.99")
        await run(commit_price, mine, "4.50")
        changed = await client_end.frame()
    assert {row["account_id"] for row in changed["data"]["positions"]} == {mine.pk}


async def test_log_out_ends_the_open_socket(trader: User) -> None:
    await run(account_of, trader)
    client = Client()
    await run(client.force_login, trader)
    value = client.cookies[settings.SESSION_COOKIE_NAME].value
    cookie = (b"cookie", f"{settings.SESSION_COOKIE_NAME}={value}".encode())
    async with socket(cookie, ORIGIN) as (client_end, _):
        await client_end.frame()
        await run(client.post, "/accounts/logout")
        ended = await client_end.frame()
        assert ended["type"] == "session.ended"
        assert (await client_end.output())["code"] == 4401


async def test_withdrawn_access_takes_the_account_from_the_open_socket(trader: User) -> None:
    mine = await run(account_of, trader)
    shared = await run(account_of, await run(UserFactory))
    access = await run(
        lambda: AccountAccess.objects.create(
            user=trader, account=shared, role=AccountAccess.Role.VIEWER
        )
    )
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN) as (client_end, _):
        first = await client_end.frame()
        assert len(first["data"]["accounts"]) == 2
        await run(access.delete)
        second = await client_end.frame()
    assert second["type"] == "portfolio.snapshot"
    assert [row["account_id"] for row in second["data"]["accounts"]] == [mine.pk]


async def test_access_withdrawn_while_the_socket_opens_is_withdrawn_from_it(
    trader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await run(account_of, trader)
    shared = await run(account_of, await run(UserFactory))
    access = await run(lambda: AccountAccess.objects.create(user=trader, account=shared))
    cookie = await run(signed_in_cookie, trader)
    follow = PortfolioConsumer.follow

    async def follow_late(self: PortfolioConsumer, key: Hashable) -> None:
        # What is allowed has been read; before it is followed, it ends.
        monkeypatch.setattr(PortfolioConsumer, "follow", follow)
        await run(access.delete)
        await follow(self, key)

    monkeypatch.setattr(PortfolioConsumer, "follow", follow_late)
    the_hub, heard = hub(), []

    def read_and_see(session_key: str | None) -> User | None:
        heard.append(the_hub.hears(ACCESS_GROUP))
        return user_of_session(session_key)

    monkeypatch.setattr("auth_tokens.sessions.watch.user_of_session", read_and_see)
    async with socket(cookie, ORIGIN) as (client_end, _):
        frames = [await client_end.frame()]
        while len(frames[-1]["data"]["accounts"]) > 1:
            frames.append(await client_end.frame())
    assert [row["account_id"] for row in frames[-1]["data"]["accounts"]] == [mine.pk]
    # Nothing is read before what ends it would be heard of.
    assert heard
    assert all(heard)


async def test_later_of_two_withdrawals_wins_while_the_first_is_being_followed(
    trader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await run(account_of, trader)
    rows = []
    for _ in range(2):
        shared = await run(account_of, await run(UserFactory))
        rows.append(
            await run(lambda a=shared: AccountAccess.objects.create(user=trader, account=a))
        )
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN) as (client_end, _):
        assert len((await client_end.frame())["data"]["accounts"]) == 3
        follow = PortfolioConsumer.follow

        async def follow_late(self: PortfolioConsumer, key: Hashable) -> None:
            monkeypatch.setattr(PortfolioConsumer, "follow", follow)
            await run(rows[1].delete)
            # Long enough for the second announcement to be heard and looked into.
            await asyncio.sleep(0.3)
            await follow(self, key)

        monkeypatch.setattr(PortfolioConsumer, "follow", follow_late)
        await run(rows[0].delete)
        frame = await client_end.frame()
        while len(frame["data"]["accounts"]) > 1:
            frame = await client_end.frame()
        assert [row["account_id"] for row in frame["data"]["accounts"]] == [mine.pk]


async def test_socket_that_closes_while_it_is_rechecked_leaves_nothing_behind(
    trader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(account_of, trader)
    shared = await run(account_of, await run(UserFactory))
    access = await run(lambda: AccountAccess.objects.create(user=trader, account=shared))
    cookie = await run(signed_in_cookie, trader)
    following, may_follow, followed = asyncio.Event(), asyncio.Event(), asyncio.Event()
    follow = PortfolioConsumer.follow

    async def follow_late(self: PortfolioConsumer, key: Hashable) -> None:
        following.set()
        await may_follow.wait()
        await follow(self, key)
        followed.set()

    async with socket(cookie, ORIGIN) as (client_end, _):
        await client_end.frame()
        monkeypatch.setattr(PortfolioConsumer, "follow", follow_late)
        await run(access.delete)
        await following.wait()
        asyncio.get_running_loop().call_later(0.1, may_follow.set)
    async with asyncio.timeout(5):
        await followed.wait()
        while feeds()._feeds or any(hub()._listeners.values()):
            await asyncio.sleep(0.01)


def test_changes_names_removed_positions_and_nothing_else(trader: User) -> None:
    account = account_of(trader)
    gone = PositionFactory(account=account)
    before = risk_monitor_of([account])
    gone_id = str(gone.pk)
    gone.delete()
    account.book_version += 1
    account.save(update_fields=["book_version"])
    after = risk_monitor_of([account])
    found = changes(before, after)
    assert found is not None
    assert found["removed"] == [gone_id]
    assert found["positions"] == []
    assert changes(after, risk_monitor_of([account])) is None
