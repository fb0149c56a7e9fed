"""Versions of a book at the door: when each is answered, looked for, built and forgotten."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from auth_tokens.models import User
from config.core.clock import now
from config.core.front_door.bodies import prepared_bodies
from config.core.front_door.resources import registered_resources
from config.core.front_door.watches import READ_SECONDS
from config.core.redis.process_copies import forget_process_copies
from portfolio.models import Account, Position, SyncRun
from portfolio.sync.progress import announce_change
from tests.factories import UserFactory
from tests.portfolio.door import desk, run, signed_in
from tests.portfolio.reading import FAST, synced_account

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True), pytest.mark.any_database]


async def commit(account: Account, price: str) -> None:
    """What a sync in a worker does: rows, version, announcement."""

    def write() -> None:
        Position.objects.filter(account=account).update(price=Decimal(price))
        stored = Account.objects.get(pk=account.pk)
        stored.book_version += 1
        stored.save(update_fields=["book_version"])
        announce_change(account.pk, stored.book_version)

    await run(write)


async def test_committed_version_is_answered_as_soon_as_it_is_announced(trader: User) -> None:
    account = await run(synced_account, trader)
    cookie = await signed_in(trader)
    async with desk() as opened:
        await opened.prepared(cookie)
        for price in ("4.25", "5.5", "6.75"):
            await commit(account, price)
            async with asyncio.timeout(5):
                while True:
                    answer = await opened.get(cookie)
                    if json.loads(answer.body)["positions"][0]["price"] == float(price):
                        break
            assert answer.is_prepared


async def test_version_whose_announcement_is_lost_is_found_by_looking(trader: User) -> None:
    account = await run(synced_account, trader)
    cookie = await signed_in(trader)
    async with desk() as opened:
        await opened.prepared(cookie)
        stored = Account.objects.filter(pk=account.pk)
        await run(Position.objects.filter(account=account).update, price=Decimal("7.5"))
        await run(stored.update, book_version=5, label="Renamed")
        await opened.door.watches.look_at_all()
        answer = await opened.get(cookie)
        assert answer.is_prepared
        body = json.loads(answer.body)
        assert (body["positions"][0]["price"], body["accounts"][0]["label"]) == (7.5, "Renamed")


async def test_book_that_becomes_stale_says_so_at_both_doors(
    trader: User, settings: Settings
) -> None:
    account = await run(synced_account, trader)
    cookie = await signed_in(trader)
    async with desk() as opened:
        fresh = await opened.prepared(cookie)
        assert json.loads(fresh.body)["stale"] is False
        watch = opened.door.watches.get(("risk_monitor", (account.pk,)))
        assert watch is not None
        assert watch.prepared is not None
        limit = account.last_synced_at.timestamp() + settings.STALE_AFTER_SECONDS
        assert watch.prepared.valid_until <= limit
        # As if that time had passed.
        settings.STALE_AFTER_SECONDS = 0
        watch.prepared.valid_until = now().timestamp()
        stale = await opened.prepared(cookie)
        assert json.loads(stale.body)["stale"] is True
        assert json.loads((await opened.get_of_django(cookie)).body)["stale"] is True


async def test_reading_at_the_door_asks_for_what_is_behind(trader: User) -> None:
    account = await run(synced_account, trader)
    cookie = await signed_in(trader)
    async with desk() as opened:
        await opened.prepared(cookie)
        await opened.settle()
        await run(
            Account.objects.filter(pk=account.pk).update,
            last_synced_at=now() - timedelta(minutes=5),
        )
        await opened.door.watches.look_at_all()
        watch = opened.door.watches.get(("risk_monitor", (account.pk,)))
        assert watch is not None
        # As a second later.
        watch.asked_at = float("-inf")
        forget_process_copies()
        answer = await opened.get(cookie)
        assert answer.is_prepared
        await opened.settle()
        runs = SyncRun.objects.filter(account=account, trigger=SyncRun.Trigger.STALE)
        assert await run(runs.count) == 1
        await opened.door.watches.look_at_all()
        both = [await opened.get(cookie), await opened.get_of_django(cookie)]
        assert both[0].is_prepared
        assert both[0].lasting == both[1].lasting
        assert json.loads(both[0].body)["refreshing"] is True


async def test_reading_on_demand_is_never_answered_from_memory(
    trader: User, settings: Settings
) -> None:
    await run(synced_account, trader)
    cookie = await signed_in(trader)
    async with desk() as opened:
        await opened.prepared(cookie)
        settings.USE_PERSISTENT_CACHE = False
        await opened.door.watches.look_at_all()
        assert not (await opened.get(cookie)).is_prepared


async def test_memory_of_prepared_bodies_is_bounded(trader: User, settings: Settings) -> None:
    settings.FRONT_DOOR_MEGABYTES = 0
    cookies = []
    for _ in range(3):
        user = await run(UserFactory)
        await run(synced_account, user)
        cookies.append(await signed_in(user))
    async with desk() as opened:
        for cookie in cookies:
            await opened.prepared(cookie)
        assert len(prepared_bodies._kept) == 1
        # What was pushed out is Django's to answer, and right.
        for cookie in cookies:
            answer = await opened.get(cookie)
            assert len(json.loads(answer.body)["accounts"]) == 1


async def test_body_that_nobody_reads_is_neither_looked_at_nor_built(
    trader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await run(synced_account, trader)
    cookie = await signed_in(trader)
    clock = [100.0]
    async with desk(clock=lambda: clock[0]) as opened:
        await opened.prepared(cookie)
        source = registered_resources()[FAST.encode()].source
        looked: list[int] = []
        states_of = source.states_of

        def counted(keys: Any) -> Any:
            looked.append(len(keys))
            return states_of(keys)

        monkeypatch.setattr(source, "states_of", counted)
        clock[0] += READ_SECONDS
        await opened.door.watches.look_at_all()
        await commit(account, "8.25")
        await opened.door.watches.look_at_all()
        assert looked == []
        # Who comes back waits for one look, and gets what is committed.
        answer = await opened.get(cookie)
        assert answer.is_prepared
        assert json.loads(answer.body)["positions"][0]["price"] == 8.25
        # On a busy machine the look of each second may have followed already.
        assert set(looked) == {1}


async def test_look_that_has_much_to_build_leaves_the_rest_to_django(
    trader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(synced_account, trader)
    cookie = await signed_in(trader)
    monkeypatch.setattr("config.core.front_door.watches.BUILD_SECONDS", 0.0)
    async with desk() as opened:
        await opened.get(cookie)
        await opened.until(lambda: opened.door.grants.epoch() is not None)
        first = await opened.get(cookie)
        await opened.settle()
        prepared_bodies.clear()
        await opened.door.watches.look_at_all()
        answer = await opened.get(cookie)
        assert not answer.is_prepared
        assert answer.body == first.body
        # What Django built for its answer is the door's too.
        await opened.door.watches.look_at_all()
        assert (await opened.get(cookie)).is_prepared
