"""A database that is gone or hangs: the door gives the last known book at once, labelled."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db.utils import OperationalError

from auth_tokens.models import User
from auth_tokens.sessions.store import SessionStore
from config.core.database import database_breaker
from config.core.front_door import watches
from config.core.front_door.grants import LONGEST_SECONDS
from portfolio.risk_monitor import prepared
from tests.portfolio.door import Answer, Desk, desk, run, signed_in
from tests.portfolio.reading import synced_account

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Call it, and nothing that is asked of the database is answered."""

    def fails(*_arguments: Any, **_named: Any) -> Any:
        raise OperationalError("server closed the connection unexpectedly")

    def lose() -> None:
        monkeypatch.setattr(SessionStore, "load", fails)
        monkeypatch.setattr(prepared, "accounts_shown", fails)
        monkeypatch.setattr("config.core.database.probe_database", lambda **_: "It is gone.")

    yield lose
    database_breaker().record_success()


def is_last_known(answer: Answer, fresh: Answer) -> bool:
    """Whether it is the same book, labelled stale in its head, its body and its accounts."""
    body, before = json.loads(answer.body), json.loads(fresh.body)
    assert answer.is_prepared
    assert (answer.status, answer.header("warning")) == (200, '110 - "Response is Stale"')
    assert before["stale"] is False
    assert body["stale"] is True
    assert [account["stale"] for account in body["accounts"]] == [True]
    return bool(body["positions"] == before["positions"] and body["totals"] == before["totals"])


async def outdated(opened: Desk) -> None:
    """As seconds later, when the look of that second has ended without an answer."""
    for watch in opened.door.watches._watches.values():
        watch.confirmed_at = float("-inf")
    await opened.door.watches.look_at_all()


async def test_last_known_book_is_answered_while_the_database_is_gone(
    trader: User, gone: Any
) -> None:
    await run(synced_account, trader)
    cookie = await signed_in(trader)
    async with desk() as opened:
        fresh = await opened.prepared(cookie)
        gone()
        for _ in range(5):
            await outdated(opened)
            answer = await opened.get(cookie)
            assert is_last_known(answer, fresh)
        # Whoever has it already is told so in a few bytes.
        tag = (b"if-none-match", str(answer.header("etag")).encode())
        again = await opened.get(cookie, tag)
        assert (again.status, again.body) == (304, b"")
        # Nobody else gets it.
        stranger = await opened.get((b"cookie", b"sessionid=" + b"x" * 32))
        assert stranger.status == 503


async def test_last_known_book_is_answered_while_the_database_hangs(
    trader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(synced_account, trader)
    cookie = await signed_in(trader)
    asked, released = threading.Event(), threading.Event()

    def hangs(*_: Any) -> Any:
        asked.set()
        released.wait(60)
        raise OperationalError("the database has not answered for 4.5 seconds")

    async with desk() as opened:
        fresh = await opened.prepared(cookie)
        monkeypatch.setattr(prepared, "accounts_shown", hangs)
        monkeypatch.setattr(watches, "HANGING_SECONDS", 0.0)
        for watch in opened.door.watches._watches.values():
            watch.confirmed_at = float("-inf")
        look = opened.door.watches.look_at_all()
        try:
            await run(asked.wait, 60)
            assert is_last_known(await opened.get(cookie), fresh)
            assert not released.is_set()
        finally:
            released.set()
            await look


async def test_book_is_the_committed_one_again_when_the_database_is_back(
    trader: User, gone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(synced_account, trader)
    cookie = await signed_in(trader)
    async with desk() as opened:
        fresh = await opened.prepared(cookie)
        gone()
        await outdated(opened)
        assert is_last_known(await opened.get(cookie), fresh)
        monkeypatch.undo()
        database_breaker().record_success()
        await outdated(opened)
        answer = await opened.get(cookie)
        assert (answer.header("warning"), json.loads(answer.body)["stale"]) == (None, False)


async def test_access_lasts_through_an_outage_unless_it_is_revoked(
    trader: User, gone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(synced_account, trader)
    cookie = await signed_in(trader)
    async with desk() as opened:
        await opened.prepared(cookie)
        [grant] = opened.door.grants._grants.values()
        assert grant.expires - grant.checked == LONGEST_SECONDS
        gone()
        # As if its next check were due.
        grant.checked -= 30
        grant.expires -= 30
        before = grant.expires
        monkeypatch.setattr(opened.door._checks, "authorise", SessionStore.load)
        await opened.door._checks.check_due()
        assert grant.expires > before
        await outdated(opened)
        assert (await opened.get(cookie)).status == 200
        opened.door.grants.revoke_user(trader.pk)
        assert (await opened.get(cookie)).status == 503


async def test_last_known_page_is_answered_while_the_database_is_gone(
    trader: User, gone: Any
) -> None:
    await run(synced_account, trader)
    cookie, html = await signed_in(trader), (b"accept", b"text/html")
    async with desk() as opened:
        # The first pages come before revocations are heard.
        while not len(opened.door.pages.grants):
            fresh = await opened.get(cookie, html, path="/")
            await opened.door.pages.work.finish()
        gone()
        answer = await opened.get(cookie, html, path="/")
        assert (answer.status, answer.header("warning")) == (200, '110 - "Response is Stale"')
        said = b"The database does not answer. This is the page of "
        assert (said in fresh.body, said in answer.body) == (False, True)
        assert answer.header("content-security-policy") == fresh.header("content-security-policy")
        # Nobody else gets it, and no page that was not seen.
        stranger = (b"cookie", b"sessionid=" + b"x" * 32)
        assert (await opened.get(stranger, html, path="/")).status == 503
        outage = await opened.get(cookie, html, path="/risk")
        assert (outage.status, outage.header("retry-after")) == (503, "2")
