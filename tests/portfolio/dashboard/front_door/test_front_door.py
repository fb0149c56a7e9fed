"""The dashboard at the front door: Django's answer, read from the database for each who asks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from auth_tokens.models import User
from config.core.errors import Unavailable
from config.core.monitoring.reading import get_metrics
from portfolio.dashboard.front_door import DashboardSource
from portfolio.models import AccountAccess
from tests.config.core.monitoring.measuring import nothing_measured
from tests.factories import UserFactory
from tests.portfolio.door import Answer, decoded, desk, run, session_of, signed_in
from tests.portfolio.reading import synced_account
from tests.servers.valkey import RunningValkey

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True), pytest.mark.any_database]

PATH = "/api/dashboard"
#: What two readings of the same rows may say differently.
OF_ONE_READING = {"metadata", "health"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def owner() -> User:
    return await run(UserFactory)


def body_of(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(decoded(answer))
    return found


def headers_of(answer: Answer) -> list[tuple[str, str]]:
    own = {"date", "x-request-id", "content-length", "content-encoding"}
    return sorted(each for each in answer.headers if each[0] not in own)


@pytest.mark.parametrize("encoding", [b"", b"gzip", b"br, gzip", b"identity"])
async def test_both_doors_give_the_same_sections_and_headers(owner: User, encoding: bytes) -> None:
    await run(synced_account, owner)
    headers = [await signed_in(owner)]
    if encoding:
        headers.append((b"accept-encoding", encoding))
    async with desk() as opened:
        answer = await opened.prepared(*headers, path=PATH)
        ordinary = await opened.get_of_django(*headers, path=PATH)
        head = await opened.get(*headers, path=PATH, method="HEAD")
    mine, his = body_of(answer), body_of(ordinary)
    assert list(mine) == list(his)
    assert mine["metadata"].keys() == his["metadata"].keys()
    for name in mine.keys() - OF_ONE_READING:
        assert mine[name] == his[name], name
    assert len(mine["positions"]) == 1
    assert headers_of(answer) == headers_of(ordinary)
    sent = {b"gzip": "gzip", b"br, gzip": "br"}.get(encoding)
    assert answer.header("content-encoding") == sent
    assert (head.status, head.body, head.is_prepared) == (200, b"", True)


async def test_each_answer_is_read_from_the_database(owner: User) -> None:
    account = await run(synced_account, owner)
    cookie = await signed_in(owner)
    async with desk() as opened:
        await opened.prepared(cookie, path=PATH)
        for price in (5, 6):
            # Without a new version of the book: nothing kept may answer.
            await run(account.positions.update, price=price)
            answer = await opened.get(cookie, path=PATH)
            assert answer.is_prepared
            assert body_of(answer)["positions"][0]["current_price"] == price


async def test_nobody_gets_what_is_not_theirs(owner: User) -> None:
    other = await run(UserFactory)
    account = await run(synced_account, owner)
    await run(synced_account, other)
    shared = await run(AccountAccess.objects.create, user=other, account=account)
    cookies = [await signed_in(user) for user in (owner, other)]
    async with desk() as opened:
        counts = [
            len(body_of(await opened.prepared(cookie, path=PATH))["positions"])
            for cookie in cookies
        ]
        assert counts == [1, 2]
        await run(shared.delete)
        answer = await opened.get(cookies[1], path=PATH)
        assert len(body_of(answer)["positions"]) == 1


async def test_ended_session_and_questions_with_parameters_are_djangos(owner: User) -> None:
    await run(synced_account, owner)
    client, cookie = await run(session_of, owner)
    async with desk() as opened:
        await opened.prepared(cookie, path=PATH)
        asked = await opened.get(cookie, path=f"{PATH}?start=2026-01-01&end=2026-02-01")
        assert (asked.status, asked.is_prepared) == (200, False)
        wrong = await opened.get(cookie, path=f"{PATH}?start=yesterday")
        assert (wrong.status, wrong.is_prepared) == (400, False)
        await run(client.post, "/accounts/logout")
        ended = await opened.get(cookie, path=PATH)
        assert (ended.status, ended.is_prepared) == (401, False)


async def test_reading_that_fails_is_left_to_django(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(synced_account, owner)
    cookie = await signed_in(owner)

    def refuse(_self: Any, _key: Any) -> None:
        raise Unavailable("no")

    async with desk() as opened:
        await opened.prepared(cookie, path=PATH)
        for read in (refuse, lambda _self, _key: None):
            monkeypatch.setattr(DashboardSource, "read", read)
            answer = await opened.get(cookie, path=PATH)
            assert (answer.status, answer.is_prepared) == (200, False)
            assert len(body_of(answer)["positions"]) == 1


async def test_user_who_was_switched_off_is_not_read_for(owner: User) -> None:
    source = DashboardSource()
    assert await run(source.read, owner.pk) is not None
    await run(User.objects.filter(pk=owner.pk).update, is_active=False)
    assert await run(source.read, owner.pk) is None


async def test_answers_are_measured_with_what_the_cache_did(
    owner: User, valkey: RunningValkey
) -> None:
    await run(synced_account, owner)
    cookie = await signed_in(owner)
    async with desk() as opened:
        await opened.prepared(cookie, path=PATH)
        nothing_measured(valkey)
        for _ in range(2):
            assert (await opened.get(cookie, path=PATH)).is_prepared
        (measured,) = (await run(get_metrics))["endpoints"]
    assert (measured["endpoint"], measured["requests"]) == ("GET api/dashboard", 2)
    # The cache was emptied as well: three sections missed, then hit.
    assert measured["cache_hit_rate"] == 0.5
