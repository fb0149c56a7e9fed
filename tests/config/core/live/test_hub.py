from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from config.core.live import hub as hub_module
from config.core.live.hub import Hub, announce, announce_all, hub
from config.core.redis.client import key, redis_client
from tests.config.core.servers import OwnValkey

GROUP = "portfolio.account.U1"


def _run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def told() -> None:
        try:
            async with asyncio.timeout(10):
                await story()
        finally:
            await hub().close()

    asyncio.run(told())


class Inbox:
    """A listener that remembers, and lets the test wait for what it expects."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self._arrived = asyncio.Event()

    def __call__(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        self._arrived.set()

    async def until(self, condition: Callable[[list[dict[str, Any]]], bool]) -> None:
        while not condition(self.messages):
            self._arrived.clear()
            await self._arrived.wait()


async def _announce(group: str, message: dict[str, Any]) -> None:
    await asyncio.to_thread(announce, group, message)


def test_listener_gets_what_another_process_announces(own_valkey: OwnValkey) -> None:
    async def story() -> None:
        inbox = Inbox()
        await hub().join(GROUP, inbox)
        await _announce(GROUP, {"type": "account.changed", "version": 7})
        await inbox.until(bool)
        assert inbox.messages == [{"type": "account.changed", "version": 7}]

    _run(story)


def test_nothing_announced_after_join_returned_is_missed(own_valkey: OwnValkey) -> None:
    async def story() -> None:
        for number in range(20):
            inbox, group = Inbox(), f"group.{number}"
            await hub().join(group, inbox)
            await _announce(group, {"n": number})
            await inbox.until(bool)
            assert inbox.messages == [{"n": number}]

    _run(story)


def test_messages_keep_their_order_and_their_group(own_valkey: OwnValkey) -> None:
    async def story() -> None:
        one, two = Inbox(), Inbox()
        await hub().join("one", one)
        await hub().join("two", two)
        for number in range(10):
            await _announce("one", {"n": number})
        await _announce("two", {"n": "other"})
        await two.until(bool)
        await one.until(lambda messages: len(messages) == 10)
        assert [message["n"] for message in one.messages] == list(range(10))
        assert two.messages == [{"n": "other"}]

    _run(story)


def test_many_groups_are_told_in_one_command_and_each_its_own(
    own_valkey: OwnValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        inboxes = {group: Inbox() for group in ("one", "two", "three")}
        for group, inbox in inboxes.items():
            await hub().join(group, inbox)
        asked = []
        client = redis_client()
        monkeypatch.setattr(client, "publish", lambda *_: asked.append("publish"))
        told = [(group, {"n": group}) for group in ("one", "two", "none", "three")]
        await asyncio.to_thread(announce_all, told)
        await inboxes["three"].until(bool)
        assert asked == []
        assert {group: inbox.messages for group, inbox in inboxes.items()} == {
            group: [{"n": group}] for group in inboxes
        }

    _run(story)


def test_many_listeners_share_one_subscription(own_valkey: OwnValkey) -> None:
    async def story() -> None:
        inboxes = [Inbox() for _ in range(50)]
        await asyncio.gather(*(hub().join(GROUP, inbox) for inbox in inboxes))
        channel = key("hub", GROUP)
        assert own_valkey.client().pubsub_numsub(channel) == [(channel, 1)]
        await _announce(GROUP, {"n": 1})
        for inbox in inboxes:
            await inbox.until(bool)
        assert all(inbox.messages == [{"n": 1}] for inbox in inboxes)

    _run(story)


def test_listener_that_joins_twice_is_told_once(own_valkey: OwnValkey) -> None:
    async def story() -> None:
        inbox = Inbox()
        for _ in range(2):
            await hub().join(GROUP, inbox)
        for number in range(2):
            await _announce(GROUP, {"n": number})
        await inbox.until(lambda messages: messages[-1:] == [{"n": 1}])
        assert inbox.messages == [{"n": 0}, {"n": 1}]

    _run(story)


def test_many_groups_joined_at_once_use_one_connection(own_valkey: OwnValkey) -> None:
    async def story() -> None:
        inboxes = {f"group.{number}": Inbox() for number in range(20)}
        await asyncio.gather(*(hub().join(group, inbox) for group, inbox in inboxes.items()))
        subscribers = [
            client for client in own_valkey.client().client_list() if int(client["sub"]) > 0
        ]
        assert len(subscribers) == 1
        for group, inbox in inboxes.items():
            await _announce(group, {"to": group})
            await inbox.until(bool)

    _run(story)


def test_last_one_to_leave_ends_the_subscription(own_valkey: OwnValkey) -> None:
    async def story() -> None:
        staying, leaving = Inbox(), Inbox()
        await hub().join(GROUP, staying)
        await hub().join(GROUP, leaving)
        await hub().leave(GROUP, leaving)
        await _announce(GROUP, {"n": 1})
        await staying.until(bool)
        assert leaving.messages == []
        await hub().leave(GROUP, staying)
        channel = key("hub", GROUP)
        while own_valkey.client().pubsub_numsub(channel) != [(channel, 0)]:
            await asyncio.sleep(0.01)

    _run(story)


def test_leaving_what_was_never_joined_is_harmless(own_valkey: OwnValkey) -> None:
    async def story() -> None:
        await hub().leave(GROUP, Inbox())

    _run(story)


def test_listener_that_fails_harms_no_other(own_valkey: OwnValkey) -> None:
    async def fails_later(message: dict[str, Any]) -> None:
        raise ValueError("later")

    def fails(message: dict[str, Any]) -> None:
        raise ValueError("now")

    async def story() -> None:
        inbox = Inbox()
        for listener in (fails, fails_later, inbox):
            await hub().join(GROUP, listener)
        await _announce(GROUP, {"n": 1})
        await _announce(GROUP, {"n": 2})
        await inbox.until(lambda messages: len(messages) == 2)

    _run(story)


def test_awaitable_listener_is_awaited(own_valkey: OwnValkey) -> None:
    async def story() -> None:
        got = asyncio.Event()

        async def listener(message: dict[str, Any]) -> None:
            await asyncio.sleep(0)
            got.set()

        await hub().join(GROUP, listener)
        await _announce(GROUP, {"n": 1})
        await got.wait()

    _run(story)


@pytest.mark.parametrize("text", ["not json", "[1, 2]", '"text"', b"\xff\xfe", "[" * 200_000])
def test_unreadable_message_is_skipped(own_valkey: OwnValkey, text: str | bytes) -> None:
    async def story() -> None:
        inbox = Inbox()
        await hub().join(GROUP, inbox)
        await asyncio.to_thread(own_valkey.client().publish, key("hub", GROUP), text)
        await _announce(GROUP, {"n": 1})
        await inbox.until(bool)
        assert inbox.messages == [{"n": 1}]

    _run(story)


def test_listeners_are_told_that_redis_is_lost_and_back_and_then_served(
    mortal_valkey: OwnValkey,
) -> None:
    async def story() -> None:
        inbox = Inbox()
        await hub().join(GROUP, inbox)
        await hub().join("other", inbox)
        assert hub().hears(GROUP)
        await asyncio.to_thread(mortal_valkey.kill)
        await inbox.until(bool)
        assert not hub().hears(GROUP)
        await asyncio.to_thread(mortal_valkey.start)
        await inbox.until(lambda messages: len(messages) == 2)
        assert inbox.messages == [{"type": "hub.lost"}, {"type": "hub.reconnected"}]
        await _until_announced(GROUP, inbox)

    _run(story)


def test_listener_that_joined_without_redis_is_told_when_it_is_there(
    mortal_valkey: OwnValkey,
) -> None:
    async def story() -> None:
        await asyncio.to_thread(mortal_valkey.kill)
        inbox = Inbox()
        await hub().join(GROUP, inbox)
        await asyncio.to_thread(mortal_valkey.start)
        await inbox.until(lambda messages: {"type": "hub.reconnected"} in messages)
        await _until_announced(GROUP, inbox)

    _run(story)


def test_hanging_redis_is_noticed_and_left(
    own_valkey: OwnValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "_ALIVE_CHECK_SECONDS", 0.05)

    async def story() -> None:
        inbox = Inbox()
        await hub().join(GROUP, inbox)
        own_valkey.pause()
        await inbox.until(bool)
        assert inbox.messages == [{"type": "hub.lost"}]
        own_valkey.resume()
        await inbox.until(lambda messages: {"type": "hub.reconnected"} in messages)

    _run(story)


def test_quiet_subscription_is_kept(own_valkey: OwnValkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "_ALIVE_CHECK_SECONDS", 0.3)

    async def story() -> None:
        inbox = Inbox()
        await hub().join(GROUP, inbox)
        await asyncio.sleep(0.9)
        await _announce(GROUP, {"n": 1})
        await inbox.until(bool)
        assert inbox.messages == [{"n": 1}]

    _run(story)


def test_announcing_without_redis_does_not_fail(no_redis: None) -> None:
    announce(GROUP, {"n": 1})
    announce_all([(GROUP, {"n": 1})])


def test_each_event_loop_has_one_hub(own_valkey: OwnValkey) -> None:
    seen: list[Hub] = []

    async def story() -> None:
        assert hub() is hub()
        seen.append(hub())

    _run(story)
    _run(story)
    assert seen[0] is not seen[1]


async def _until_announced(group: str, inbox: Inbox) -> None:
    """The guard of the announcing side may still spare Redis for a moment: announce until heard."""
    while {"n": 1} not in inbox.messages:
        await _announce(group, {"n": 1})
        await asyncio.sleep(0.05)
