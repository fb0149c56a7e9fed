"""The last known page while the database is away: to the same session only, with its age."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from config.core.database import database_breaker
from config.core.front_door.grants import OUTAGE_SECONDS, Authorised
from config.core.front_door.pages import PLACE, KeptPages
from config.core.front_door.requests import Caller

pytestmark = pytest.mark.anyio

PAGE = b"<body>" + PLACE + b"<main>42 positions</main></body>"


@dataclass
class Desk:
    """A Django that answers what ``status`` says, and what the database knows of sessions."""

    users: dict[bytes, int] = field(default_factory=lambda: {b"s=one": 1, b"s=two": 2})
    sees: str = "A"
    status: int = 200
    hangs: bool = False
    asked: int = 0
    body: bytes = PAGE
    headers: tuple[tuple[bytes, bytes], ...] = ()
    time: float = 0.0
    problem: str | None = "The database does not answer."

    def __post_init__(self) -> None:
        async def now(call: Callable[[], Any]) -> Any:
            return call()

        self.pages = KeptPages(
            self._django,
            now,
            key_of=lambda user: (user.pk, self.sees),
            authorise=self._authorise,
            clock=lambda: self.time,
        )
        self.pages.grants.listen(True)

    def _authorise(self, caller: Caller) -> Authorised | None:
        pk = self.users.get(caller.credential)
        return None if pk is None else Authorised(SimpleNamespace(pk=pk), 3600.0)

    async def _django(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(30)
        headers = [(b"content-type", b"text/html; charset=utf-8"), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})

    async def get(
        self,
        cookie: bytes = b"s=one",
        path: bytes = b"/",
        *headers: tuple[bytes, bytes],
        waits: bool = True,
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        """``waits``: also for what Django still does after the answer."""
        messages: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            messages.append(message)

        scope = {
            "type": "http", "method": "GET", "scheme": "http", "path": path.decode(),
            "raw_path": path, "query_string": b"",
            "headers": [(b"host", b"desk"), (b"cookie", cookie), (b"accept", b"text/html"),
                        *headers],
        }  # fmt: skip
        await self.pages(scope, _nothing, send)
        if waits:
            await self.pages.work.finish()
        return messages[0]["status"], dict(messages[0]["headers"]), messages[1]["body"]

    async def kept(self, cookie: bytes, *paths: bytes) -> list[int]:
        """Return the statuses without a database."""
        before, self.status = self.status, 503
        try:
            return [(await self.get(cookie, path))[0] for path in paths]
        finally:
            self.status = before


async def _nothing() -> dict[str, Any]:
    return {"type": "http.disconnect"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    opened = Desk()
    monkeypatch.setattr("config.core.front_door.pages.probe_database", lambda **_: opened.problem)
    monkeypatch.setattr("config.core.front_door.pages._LOOK_SECONDS", 0.01)
    yield opened
    database_breaker().record_success()
    await opened.pages.work.cancel()


async def test_page_of_before_is_given_with_its_age_while_the_database_is_away(desk: Desk) -> None:
    assert (await desk.get())[2] == PAGE
    desk.time, desk.status = 125.0, 503

    status, headers, body = await desk.get()

    assert (status, headers[b"age"]) == (200, b"125")
    assert headers[b"warning"] == b'110 - "Response is Stale"'
    assert headers[b"cache-control"] == b"private, no-store"
    assert b"42 positions" in body
    assert b"The database does not answer. This is the page of 2 min ago" in body


async def test_kept_page_is_given_at_once_while_the_database_is_known_to_be_away(
    desk: Desk,
) -> None:
    await desk.get()
    database_breaker().trip()
    asked = desk.asked
    assert (await desk.get())[0] == 200
    assert desk.asked == asked


async def test_hanging_database_is_noticed_and_the_page_of_before_given(desk: Desk) -> None:
    await desk.get()
    desk.hangs = True
    assert b"database does not answer" in (await desk.get(waits=False))[2]
    assert database_breaker().is_open


async def test_slow_page_of_a_database_that_answers_is_waited_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.get()
    desk.problem, desk.body = None, b"slow"
    django = desk.pages.django

    async def slow(*arguments: Any) -> None:
        await asyncio.sleep(0.05)
        await django(*arguments)

    monkeypatch.setattr(desk.pages, "django", slow)
    assert (await desk.get())[2] == b"slow"


@pytest.mark.parametrize(
    ("cookie", "path", "header"),
    [
        (b"s=two", b"/", (b"x-a", b"")),
        (b"s=none", b"/", (b"x-a", b"")),
        (b"s=one", b"/other", (b"x-a", b"")),
        (b"s=one", b"/", (b"x-parts", b"totals")),
        (b"s=one", b"/", (b"authorization", b"Bearer x")),
    ],
)
async def test_nobody_else_and_nothing_else_gets_it(
    desk: Desk, cookie: bytes, path: bytes, header: tuple[bytes, bytes]
) -> None:
    await desk.get()
    desk.status = 503
    assert (await desk.get(cookie, path, header))[0] == 503


async def _revoked(desk: Desk) -> None:
    desk.pages.grants.revoke(1)


async def _unheard(desk: Desk) -> None:
    desk.pages.grants.listen(False)


async def _too_old(desk: Desk) -> None:
    desk.time += OUTAGE_SECONDS + 1


async def _found_changed(desk: Desk) -> None:
    # Nobody announced it; the next minute's check of another page finds it.
    desk.sees, desk.time = "B", 61.0
    await desk.get(path=b"/other")


@pytest.mark.parametrize("ends", [_revoked, _unheard, _too_old, _found_changed])
async def test_page_ends_with_the_access_it_was_answered_under(
    desk: Desk, ends: Callable[[Desk], Awaitable[None]]
) -> None:
    await desk.get()
    await ends(desk)
    desk.status = 503
    assert (await desk.get())[0] == 503


async def test_access_revoked_while_a_page_is_made_keeps_none(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    django = desk.pages.django

    async def revoking(*arguments: Any) -> None:
        desk.pages.grants.revoke(1)
        await django(*arguments)

    monkeypatch.setattr(desk.pages, "django", revoking)
    await desk.get()
    desk.status = 503
    assert (await desk.get())[0] == 503


async def test_pages_stay_as_long_as_each_minutes_check_says_the_same(desk: Desk) -> None:
    await desk.get()
    for moment in (61.0, 122.0):
        desk.time = moment
        await desk.get(path=b"/other")
    desk.status = 503
    assert (await desk.get())[0] == (await desk.get(path=b"/other"))[0] == 200


@pytest.mark.parametrize(
    ("body", "headers", "path"),
    [
        (b"<p>no frame</p>", (), b"/"),
        (PAGE, ((b"cache-control", b"max-age=0, no-store"),), b"/"),
        (PAGE, (), b"/accounts/tokens"),
        (PAGE + b"x" * 4_000_001, (), b"/"),
    ],
)
async def test_what_must_not_be_kept_is_not(
    desk: Desk, body: bytes, headers: tuple[tuple[bytes, bytes], ...], path: bytes
) -> None:
    desk.body, desk.headers = body, headers
    await desk.get(path=path)
    desk.status = 503
    assert (await desk.get(path=path))[0] == 503


async def test_cookies_and_compression_of_the_page_of_before_are_not_repeated(desk: Desk) -> None:
    desk.body = gzip.compress(PAGE)
    desk.headers = ((b"content-encoding", b"gzip"), (b"set-cookie", b"s=three"),
                    (b"content-security-policy", b"default-src 'self'"))  # fmt: skip
    await desk.get()
    desk.status = 503

    _, headers, body = await desk.get()
    assert b"42 positions" in body
    assert b"set-cookie" not in headers
    assert b"content-encoding" not in headers
    assert headers[b"content-security-policy"] == b"default-src 'self'"

    _, headers, body = await desk.get(b"s=one", b"/", (b"accept-encoding", b"gzip, br"))
    assert b"42 positions" in gzip.decompress(body)
    assert int(headers[b"content-length"]) == len(body)


async def test_pages_of_one_session_and_of_all_are_bounded(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.core.front_door.pages._MOST_BYTES", 4_000)
    for number in range(20):
        await desk.get(path=b"/%d" % number)
    assert await desk.kept(b"s=one", b"/3", b"/4") == [503, 200]
    for number in range(60):
        desk.users[b"s=%d" % number] = 9
        await desk.get(b"s=%d" % number)
    assert await desk.kept(b"s=one", b"/4") == [503]
