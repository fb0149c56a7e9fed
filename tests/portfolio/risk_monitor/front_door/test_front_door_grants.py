"""A grant of the door ends with the access it stands for, however that ends.

By other processes, without a word, with Redis and without, and while a request waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db.utils import OperationalError
from django.test import Client

from auth_tokens.models import ApiToken, User
from auth_tokens.sessions.front_door import authorise
from config.core.clock import now
from config.core.front_door.grants import ACCESS_GROUP, RECHECK_SECONDS, Authorised
from config.core.front_door.requests import Caller
from config.core.front_door.resources import registered_resources
from config.core.live.hub import announce
from config.core.redis.client import reset_guards
from portfolio.models import AccountAccess
from tests.config.core.servers import OwnValkey
from tests.portfolio.door import Desk, desk, run, session_of
from tests.portfolio.reading import synced_account
from tests.portfolio.risk_monitor.front_door.access import (
    accounts_in,
    deactivate,
    log_out,
    set_password,
    share,
    token_of,
    unshare,
)

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True)]


async def test_grant_ends_with_its_session_or_token_and_after_a_minute(trader: User) -> None:
    await run(synced_account, trader)
    _, cookie = await run(session_of, trader)
    _, header = await token_of(trader, expires_at=now() + timedelta(seconds=20))
    clock = [100.0]
    async with desk(clock=lambda: clock[0]) as opened:
        soon = now() + timedelta(seconds=10)
        await run(Session.objects.update, expire_date=soon)
        await opened.prepared(cookie)
        await opened.prepared(header)
        expires = {
            grant.caller.is_token: grant.expires for grant in opened.door.grants._grants.values()
        }
        assert 105 < expires[False] <= 110
        assert 110 < expires[True] <= 120
        await run(Session.objects.update, expire_date=now() + timedelta(days=1))
        await run(ApiToken.objects.update, expires_at=None)
        clock[0] += 30
        assert not (await opened.get(cookie)).is_prepared
        await opened.prepared(cookie)
        clock[0] += 59.9
        grants = opened.door.grants
        grant = next(one for one in grants._grants.values() if not one.caller.is_token)
        assert grants.get(grant.resource, grant.caller, clock[0]) is not None
        clock[0] += 0.2
        assert grants.get(grant.resource, grant.caller, clock[0]) is None
        assert not (await opened.get(cookie)).is_prepared


async def test_session_that_only_the_cache_still_holds_is_never_granted(
    trader: User, opened: Desk
) -> None:
    await run(synced_account, trader)
    _, cookie = await run(session_of, trader)
    assert (await opened.get(cookie)).status == 200
    await opened.settle()
    await run(Session.objects.all().delete)
    opened.door.grants.revoke_all()
    # Django still believes its copy for a minute; the door asks the database.
    assert (await opened.get(cookie)).status == 200
    await opened.settle()
    assert len(opened.door.grants) == 0


def deactivate_silently(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def set_password_silently(user: User) -> None:
    User.objects.filter(pk=user.pk).update(password="!")


def end_sessions_silently(user: User) -> None:
    Session.objects.all().delete()


def unshare_silently(user: User) -> None:
    rows = AccountAccess.objects.filter(user=user)
    rows._raw_delete(rows.db)


@pytest.mark.parametrize(
    "end",
    [deactivate_silently, set_password_silently, end_sessions_silently, unshare_silently],
)
async def test_access_that_ends_without_a_word_is_noticed_within_seconds(
    trader: User, other: User, end: Callable[[User], None]
) -> None:
    await run(share, await run(synced_account, other), trader)
    _, cookie = await run(session_of, trader)
    clock = [100.0]
    async with desk(clock=lambda: clock[0]) as opened:
        await opened.prepared(cookie)
        await run(end, trader)
        clock[0] += RECHECK_SECONDS
        await opened.until(lambda: len(opened.door.grants) == 0)
        assert not (await opened.get(cookie)).is_prepared


async def test_grant_that_is_good_still_is_kept_and_made_no_longer(trader: User) -> None:
    await run(synced_account, trader)
    _, cookie = await run(session_of, trader)
    clock = [100.0]
    checks: list[Caller] = []

    def counted(caller: Caller) -> Authorised | None:
        checks.append(caller)
        return authorise(caller)

    async with desk(clock=lambda: clock[0], authorise=counted) as opened:
        await opened.prepared(cookie)
        await opened.settle()
        (grant,) = opened.door.grants._grants.values()
        clock[0] += RECHECK_SECONDS
        before = len(checks)
        await opened.until(lambda: len(checks) > before)
        await opened.settle()
        assert list(opened.door.grants._grants.values()) == [grant]
        assert grant.expires == 160.0


async def test_database_that_cannot_be_asked_ends_no_grant(trader: User) -> None:
    await run(synced_account, trader)
    _, cookie = await run(session_of, trader)
    clock = [100.0]
    refused: list[Caller] = []

    def refuse_later(caller: Caller) -> Authorised | None:
        if clock[0] > 100.0:
            refused.append(caller)
            raise OperationalError("database is locked")
        return authorise(caller)

    async with desk(clock=lambda: clock[0], authorise=refuse_later) as opened:
        await opened.prepared(cookie)
        await opened.settle()
        clock[0] += RECHECK_SECONDS
        await opened.until(lambda: len(refused) > 1)
        assert len(opened.door.grants) == 1


async def test_access_that_another_process_ends_is_heard_of(trader: User, opened: Desk) -> None:
    await run(synced_account, trader)
    _, cookie = await run(session_of, trader)
    await opened.prepared(cookie)

    def elsewhere() -> None:
        # What the other process writes sends no signal here; its announcement comes over Redis.
        User.objects.filter(pk=trader.pk).update(is_active=False)
        announce(ACCESS_GROUP, {"type": "access.revoked", "user_id": trader.pk})

    await run(elsewhere)
    await opened.until(lambda: len(opened.door.grants) == 0)
    assert (await opened.get(cookie)).status == 401


async def test_log_out_at_one_web_process_ends_the_session_at_all(
    trader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a process of its own: what these two hear, they hear over Redis.
    monkeypatch.setattr("auth_tokens.sessions.revocation.revoke_here", lambda _: None)
    await run(synced_account, trader)
    client, cookie = await run(session_of, trader)
    async with desk() as one, desk() as two:
        await one.prepared(cookie)
        await two.prepared(cookie)
        await run(log_out, client, trader)
        for process in (one, two):
            await process.until(lambda p=process: len(p.door.grants) == 0)  # type: ignore[misc]
            assert (await process.get(cookie)).status == 401


async def test_restarted_web_process_knows_nobody(trader: User) -> None:
    await run(synced_account, trader)
    client, cookie = await run(session_of, trader)
    async with desk() as before:
        await before.prepared(cookie)
    # While none ran, the session ended.
    await run(log_out, client, trader)
    async with desk() as after:
        for _ in range(3):
            assert (await after.get(cookie)).status == 401
            await after.settle()
        assert len(after.door.grants) == 0


async def test_lost_redis_drops_every_grant_and_django_answers(
    trader: User, mortal_valkey: OwnValkey
) -> None:
    account = await run(synced_account, trader)
    _, cookie = await run(session_of, trader)
    async with desk() as opened:
        await opened.prepared(cookie)
        await asyncio.to_thread(mortal_valkey.kill)
        await opened.until(lambda: opened.door.grants.epoch() is None)
        assert len(opened.door.grants) == 0
        for _ in range(3):
            answer = await opened.get(cookie)
            assert (answer.status, answer.is_prepared) == (200, False)
            assert accounts_in(answer) == {account.pk}
            await opened.settle()
        assert len(opened.door.grants) == 0
        # A revocation that nobody hears of: the door must not have anything to answer from.
        await run(User.objects.filter(pk=trader.pk).update, is_active=False)
        assert (await opened.get(cookie)).status == 401
        await run(User.objects.filter(pk=trader.pk).update, is_active=True)
        await asyncio.to_thread(mortal_valkey.start)
        reset_guards()
        assert (await opened.prepared(cookie)).status == 200


class SlowAuthoriser:
    """Asks the database, and waits with its answer until the test says so."""

    def __init__(self) -> None:
        self.has_asked = threading.Event()
        self.may_answer = threading.Event()

    def __call__(self, caller: Any) -> Authorised | None:
        found = authorise(caller)
        self.has_asked.set()
        assert self.may_answer.wait(10)
        return found


@pytest.mark.parametrize("end", [log_out, deactivate, set_password])
async def test_revocation_between_check_and_grant_wins(
    trader: User, end: Callable[[Client, User], None]
) -> None:
    await run(synced_account, trader)
    client, cookie = await run(session_of, trader)
    slow = SlowAuthoriser()
    async with desk(authorise=slow) as opened:
        await opened.get()  # starts the door
        await opened.until(lambda: opened.door.grants.epoch() is not None)
        assert (await opened.get(cookie)).status == 200
        await asyncio.to_thread(slow.has_asked.wait, 10)
        # The database has said yes; before the grant is stored the access ends.
        await run(end, client, trader)
        slow.may_answer.set()
        await opened.settle()
        assert len(opened.door.grants) == 0
        assert (await opened.get(cookie)).status == 401


async def test_sharing_that_ends_between_check_and_grant_wins(trader: User, other: User) -> None:
    mine, shared = await run(synced_account, trader), await run(synced_account, other)
    await run(share, shared, trader)
    _, cookie = await run(session_of, trader)
    slow = SlowAuthoriser()
    async with desk(authorise=slow) as opened:
        await opened.get()
        await opened.until(lambda: opened.door.grants.epoch() is not None)
        await opened.get(cookie)
        await asyncio.to_thread(slow.has_asked.wait, 10)
        await run(unshare, shared, trader)
        slow.may_answer.set()
        await opened.settle()
        assert len(opened.door.grants) == 0
        assert accounts_in(await opened.prepared(cookie)) == {mine.pk}


async def test_redis_lost_between_check_and_grant_wins(
    trader: User, mortal_valkey: OwnValkey
) -> None:
    await run(synced_account, trader)
    _, cookie = await run(session_of, trader)
    slow = SlowAuthoriser()
    async with desk(authorise=slow) as opened:
        await opened.get()
        await opened.until(lambda: opened.door.grants.epoch() is not None)
        await opened.get(cookie)
        await asyncio.to_thread(slow.has_asked.wait, 10)
        await asyncio.to_thread(mortal_valkey.kill)
        await opened.until(lambda: opened.door.grants.epoch() is None)
        await asyncio.to_thread(mortal_valkey.start)
        reset_guards()
        await opened.until(lambda: opened.door.grants.epoch() is not None)
        slow.may_answer.set()
        await opened.settle()
        assert len(opened.door.grants) == 0


async def test_access_withdrawn_while_a_request_waits_for_the_next_version_wins(
    trader: User, opened: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await run(synced_account, trader)
    _, cookie = await run(session_of, trader)
    await opened.prepared(cookie)
    await opened.settle()
    watch = opened.door.watches.get(("risk_monitor", (account.pk,)))
    assert watch is not None
    building, may_go_on = threading.Event(), threading.Event()
    source = registered_resources()[b"/api/portfolio/risk-monitor/fast"].source
    states_of = source.states_of

    def slow_states(keys: Any) -> Any:
        building.set()
        assert may_go_on.wait(10)
        return states_of(keys)

    monkeypatch.setattr(source, "states_of", slow_states)
    watch.distrust()
    waiting = asyncio.create_task(opened.get(cookie))
    await asyncio.to_thread(building.wait, 10)
    # Access ends while the request waits; the built version is not for them any more.
    await run(deactivate, Client(), trader)
    may_go_on.set()
    answer = await waiting
    assert (answer.status, answer.is_prepared) == (401, False)
