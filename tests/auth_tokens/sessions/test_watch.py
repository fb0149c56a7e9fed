"""The watch that the open sockets of a session share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from auth_tokens.models import User
from auth_tokens.sessions.store import SessionStore
from auth_tokens.sessions.watch import session_watches, user_of_session
from config.core.front_door.grants import ACCESS_GROUP
from config.core.live.hub import announce, hub
from tests.factories import UserFactory
from tests.portfolio.risk_monitor.test_live import run
from tests.sockets import ORIGIN, socket

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True), pytest.mark.any_database]

READ = "auth_tokens.sessions.watch.user_of_session"


class Watcher:
    """A socket that records its messages."""

    def __init__(self, question: str = "book") -> None:
        self.question = question
        self.asked = 0
        self.told: list[tuple[User | None, Any]] = []

    def key_for(self, user: User) -> str:
        self.asked += 1
        return f"of {user.pk}"

    async def session_checked(self, user: User | None, key: Any) -> None:
        self.told.append((user, key))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
async def _no_hub_left() -> AsyncIterator[None]:
    yield
    await hub().close()


@pytest.fixture
def user() -> User:
    return UserFactory()


@pytest.fixture
def client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def session_key(client: Client) -> str:
    return str(client.cookies[settings.SESSION_COOKIE_NAME].value)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The session key of each read."""
    keys: list[str | None] = []

    def counted(session_key: str | None) -> User | None:
        keys.append(session_key)
        return user_of_session(session_key)

    monkeypatch.setattr(READ, counted)
    return keys


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def revoked(user: User) -> None:
    announce(ACCESS_GROUP, {"type": "access.revoked", "user_id": user.pk})


async def test_two_sockets_of_a_session_cost_one_recheck(
    user: User, session_key: str, reads: list[str | None]
) -> None:
    watchers = [Watcher(), Watcher()]
    for watcher in watchers:
        joined = await session_watches().join(session_key, watcher)
        assert joined == (user, f"of {user.pk}")
    assert len(reads) == 2
    await run(revoked, user)
    await until(lambda: all(watcher.told for watcher in watchers))
    assert [watcher.told for watcher in watchers] == [[(user, f"of {user.pk}")]] * 2
    assert reads == [session_key] * 3
    for watcher in watchers:
        await session_watches().leave(session_key, watcher)
    assert not session_watches()._watches
    assert not any(hub()._listeners.values())


async def test_hundred_sockets_of_a_session_ask_each_question_once_a_minute(
    user: User, session_key: str, reads: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    watchers = [Watcher(question) for question in ("book", "alerts") for _ in range(50)]
    for watcher in watchers:
        await session_watches().join(session_key, watcher)
    assert len(reads) == len(watchers)
    reads.clear()
    # The minute is over.
    await session_watches()._watches[session_key].recheck()
    await until(lambda: all(watcher.told for watcher in watchers))
    assert reads == [session_key]
    assert sum(watcher.asked for watcher in watchers) == len(watchers) + 2
    for watcher in watchers:
        await session_watches().leave(session_key, watcher)


async def test_opening_a_socket_reads_its_session_once(
    user: User, session_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, loaded = SessionStore.load, []

    def counted(store: SessionStore) -> Any:
        loaded.append(store.session_key)
        return load(store)

    monkeypatch.setattr(SessionStore, "load", counted)
    watcher = Watcher()
    assert await session_watches().join(session_key, watcher) == (user, f"of {user.pk}")
    assert loaded == [session_key]
    await session_watches().leave(session_key, watcher)


async def test_end_heard_while_the_first_read_is_under_way_is_not_missed(
    user: User, session_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher, reading, may_read = Watcher(), threading.Event(), threading.Event()

    def read_slowly(session_key: str | None) -> User | None:
        monkeypatch.setattr(READ, user_of_session)
        reading.set()
        may_read.wait(10)
        return user

    monkeypatch.setattr(READ, read_slowly)
    joining = asyncio.create_task(session_watches().join(session_key, watcher))
    await until(reading.is_set)
    await run(lambda: User.objects.filter(pk=user.pk).update(is_active=False))
    await session_watches()._heard({"type": "hub.lost"})
    hearing = asyncio.create_task(
        session_watches()._heard({"type": "access.revoked", "user_id": user.pk})
    )
    may_read.set()
    assert await joining == (user, f"of {user.pk}")
    await hearing
    await until(lambda: watcher.told)
    assert watcher.told == [(None, None)]
    await session_watches().leave(session_key, watcher)


async def test_all_sockets_end_when_their_session_does(
    user: User, client: Client, session_key: str, reads: list[str | None]
) -> None:
    cookie = (b"cookie", f"{settings.SESSION_COOKIE_NAME}={session_key}".encode())
    async with (
        socket(cookie, ORIGIN, path="/ws/portfolio") as (book, _),
        socket(cookie, ORIGIN, path="/ws/alerts") as (alerts, _),
    ):
        for opened in (book, alerts):
            await opened.frame()
        await run(client.post, "/accounts/logout")
        for opened in (book, alerts):
            assert (await opened.frame())["type"] == "session.ended"
            assert await opened.output() == {"type": "websocket.close", "code": 4401}
    assert not session_watches()._watches


async def test_new_socket_of_a_watched_session_is_checked_afresh(
    user: User, session_key: str
) -> None:
    first, second = Watcher(), Watcher()
    await session_watches().join(session_key, first)
    # Announced to nobody.
    await run(lambda: User.objects.filter(pk=user.pk).update(is_active=False))
    assert await session_watches().join(session_key, second) == (None, None)
    for watcher in (first, second):
        await session_watches().leave(session_key, watcher)


async def test_check_begun_before_a_sockets_own_is_not_told_to_it(
    user: User, session_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hold what the user was allowed to see earlier."""
    first, second = Watcher(), Watcher()
    await session_watches().join(session_key, first)
    reading, may_read = threading.Event(), threading.Event()

    def read_slowly(session_key: str | None) -> User | None:
        monkeypatch.setattr(READ, user_of_session)
        reading.set()
        may_read.wait(10)
        return user_of_session(session_key)

    monkeypatch.setattr(READ, read_slowly)
    await run(revoked, user)
    await until(reading.is_set)
    joining = asyncio.create_task(session_watches().join(session_key, second))
    await until(lambda: second in session_watches()._watches[session_key].sockets)
    may_read.set()
    assert await joining == (user, f"of {user.pk}")
    await until(lambda: first.told)
    assert second.told == []
    # Later ones are.
    await run(revoked, user)
    await until(lambda: second.told)
    for watcher in (first, second):
        await session_watches().leave(session_key, watcher)


async def test_socket_that_leaves_is_told_nothing_and_the_others_still_are(
    user: User, session_key: str
) -> None:
    leaving, staying = Watcher(), Watcher()
    for watcher in (leaving, staying):
        await session_watches().join(session_key, watcher)
    await session_watches().leave(session_key, leaving)
    await run(revoked, user)
    await until(lambda: staying.told)
    assert leaving.told == []
    await session_watches().leave(session_key, staying)
    assert not session_watches()._watches
