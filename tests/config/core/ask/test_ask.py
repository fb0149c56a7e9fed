from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from config.core.ask import ask, serve
from config.core.ask.serving import Handler
from config.core.errors import (
    CircuitOpen,
    ForbiddenError,
    InvalidInput,
    MalformedResponse,
    PermanentError,
    RateLimitedError,
    RetryableError,
)
from config.core.redis.client import key, redis_client
from tests.config.core.servers import OwnValkey

SERVICE = "gateway@127.0.0.1:4001"


async def _ask(
    question: str, *, service: str = SERVICE, deadline: float = 5.0, **arguments: Any
) -> Any:
    return await asyncio.to_thread(
        ask, service, question, arguments, deadline=deadline, answer_type=object
    )


async def _here(service: str = SERVICE) -> None:
    """Until the owner has made itself known."""
    while not await asyncio.to_thread(redis_client().exists, key("ask", service, "owner")):
        await asyncio.sleep(0.01)


def _with_owner(
    handlers: dict[str, Handler],
    story: Callable[[asyncio.Task[None]], Coroutine[Any, Any, None]],
    *,
    concurrency: int = 8,
) -> None:
    async def told() -> None:
        owner = asyncio.create_task(serve(SERVICE, handlers, concurrency=concurrency))
        try:
            async with asyncio.timeout(20):
                await _here()
                await story(owner)
        finally:
            owner.cancel()
            await asyncio.gather(owner, return_exceptions=True)

    asyncio.run(told())


async def _double(number: int) -> int:
    return 2 * number


def _raising(error: Exception) -> Handler:
    async def handler() -> None:
        raise error

    return handler


def test_owner_answers_with_what_the_handler_returns(own_valkey: OwnValkey) -> None:
    async def story(_: asyncio.Task[None]) -> None:
        assert await _ask("double", number=21) == 42

    _with_owner({"double": _double}, story)


def test_money_and_times_arrive_as_the_type_that_is_asked_for(own_valkey: OwnValkey) -> None:
    class Money(msgspec.Struct):
        amount: Decimal
        at: datetime

    sent = Money(Decimal("12.3400"), datetime(2026, 1, 2, tzinfo=UTC))

    async def money() -> Money:
        return sent

    async def story(_: asyncio.Task[None]) -> None:
        got = await asyncio.to_thread(ask, SERVICE, "money", {}, deadline=5.0, answer_type=Money)
        assert got == sent
        with pytest.raises(MalformedResponse):
            await asyncio.to_thread(ask, SERVICE, "money", {}, deadline=5.0, answer_type=int)

    _with_owner({"money": money}, story)


def test_without_an_owner_asking_fails_at_once(own_valkey: OwnValkey) -> None:
    began = time.monotonic()
    with pytest.raises(RetryableError, match="nobody answers"):
        ask(SERVICE, "double", {"number": 1}, deadline=30.0, answer_type=int)
    assert time.monotonic() - began < 2.0
    assert own_valkey.client().keys("*") == []


def test_two_owners_of_different_gateways_answer_their_own_askers(own_valkey: OwnValkey) -> None:
    def named(name: str) -> Handler:
        async def handler() -> str:
            return name

        return handler

    async def story() -> None:
        owners = [
            asyncio.create_task(serve(name, {"name": named(name)})) for name in ("one", "two")
        ]
        await _here("one")
        await _here("two")
        assert await _ask("name", service="one") == "one"
        assert await _ask("name", service="two") == "two"
        for owner in owners:
            owner.cancel()
        await asyncio.gather(*owners, return_exceptions=True)

    asyncio.run(story())


@pytest.mark.parametrize(
    "error",
    [
        RetryableError("away", provider="ibkr"),
        CircuitOpen("paused", provider="ibkr"),
        PermanentError("refused", provider="ibkr", fields={"account": "unknown"}),
        ForbiddenError("not yours", provider="ibkr"),
        InvalidInput("wrong", fields={"number": "is not one"}),
    ],
)
def test_error_of_the_taxonomy_comes_back_as_its_class(own_valkey: OwnValkey, error: Any) -> None:
    async def story(_: asyncio.Task[None]) -> None:
        with pytest.raises(type(error)) as caught:
            await _ask("fail")
        assert type(caught.value) is type(error)
        assert caught.value.message == error.message
        assert caught.value.fields == error.fields
        assert getattr(caught.value, "provider", "") == getattr(error, "provider", "")

    _with_owner({"fail": _raising(error)}, story)


def test_rate_limit_keeps_its_wait(own_valkey: OwnValkey) -> None:
    async def story(_: asyncio.Task[None]) -> None:
        with pytest.raises(RateLimitedError) as caught:
            await _ask("fail")
        assert caught.value.retry_after == 12.5

    _with_owner({"fail": _raising(RateLimitedError("later", retry_after=12.5))}, story)


def test_fault_of_the_owner_names_no_detail(own_valkey: OwnValkey) -> None:
    async def story(_: asyncio.Task[None]) -> None:
        with pytest.raises(PermanentError, match="KeyError") as caught:
            await _ask("fail")
        assert "secret" not in caught.value.message
        with pytest.raises(PermanentError, match="does not know"):
            await _ask("something else")

    _with_owner({"fail": _raising(KeyError("secret"))}, story)


def test_late_answer_is_dropped_and_the_asker_told_in_time(own_valkey: OwnValkey) -> None:
    cancelled = asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            cancelled.set()

    async def story(_: asyncio.Task[None]) -> None:
        began = time.monotonic()
        with pytest.raises(RetryableError, match="no answer to slow"):
            await _ask("slow", deadline=0.4)
        assert time.monotonic() - began < 2.0
        await cancelled.wait()
        assert own_valkey.client().keys("*reply*") == []

    _with_owner({"slow": slow}, story)


def test_request_past_its_deadline_is_never_executed(own_valkey: OwnValkey) -> None:
    executed: list[str] = []
    begun, gate = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        begun.set()
        await gate.wait()

    async def second() -> None:
        executed.append("second")

    async def story(_: asyncio.Task[None]) -> None:
        waiting = asyncio.create_task(_ask("first", deadline=10.0))
        await begun.wait()
        with pytest.raises(RetryableError):
            await _ask("second", deadline=0.3)
        gate.set()
        await waiting
        assert await _ask("double", number=1) == 2
        assert executed == []

    # One at a time: the second waits in the list until its deadline has passed.
    _with_owner({"first": first, "second": second, "double": _double}, story, concurrency=1)


def test_owner_that_leaves_in_the_middle_fails_its_askers_soon(own_valkey: OwnValkey) -> None:
    begun = asyncio.Event()

    async def slow() -> None:
        begun.set()
        await asyncio.sleep(60)

    async def story(owner: asyncio.Task[None]) -> None:
        asking = asyncio.create_task(_ask("slow", deadline=60.0))
        await begun.wait()
        owner.cancel()
        with pytest.raises(RetryableError, match="went away"):
            await asking

    _with_owner({"slow": slow}, story)


def test_redis_killed_in_the_middle_fails_the_asker_and_not_the_owner(
    mortal_valkey: OwnValkey,
) -> None:
    begun = asyncio.Event()

    async def slow() -> str:
        begun.set()
        await asyncio.sleep(0.2)
        return "done"

    async def story(_: asyncio.Task[None]) -> None:
        began = time.monotonic()
        asking = asyncio.create_task(_ask("slow", deadline=15.0))
        await begun.wait()
        await asyncio.to_thread(mortal_valkey.kill)
        with pytest.raises(RetryableError, match="Redis was lost"):
            await asking
        assert time.monotonic() - began < 10.0
        with pytest.raises(RetryableError, match="Redis was lost"):
            await _ask("double", number=1)
        await asyncio.to_thread(mortal_valkey.start)
        answer = None
        while answer is None:
            try:
                answer = await _ask("double", number=4)
            except RetryableError:
                await asyncio.sleep(0.1)
        assert answer == 8

    _with_owner({"slow": slow, "double": _double}, story)


def test_paused_redis_never_holds_the_asker_past_its_deadline(own_valkey: OwnValkey) -> None:
    begun = asyncio.Event()

    async def slow() -> None:
        begun.set()
        await asyncio.sleep(60)

    async def story(_: asyncio.Task[None]) -> None:
        began = time.monotonic()
        asking = asyncio.create_task(_ask("slow", deadline=1.5))
        await begun.wait()
        own_valkey.pause()
        try:
            with pytest.raises(RetryableError):
                await asking
            assert time.monotonic() - began < 4.0
        finally:
            own_valkey.resume()

    _with_owner({"slow": slow}, story)


def test_request_that_is_no_request_is_passed_over(own_valkey: OwnValkey) -> None:
    async def story(_: asyncio.Task[None]) -> None:
        own_valkey.client().rpush(key("ask", SERVICE, "requests"), "99999999999999 {half")
        assert await _ask("double", number=5) == 10

    _with_owner({"double": _double}, story)


def test_nothing_stays_in_redis_when_all_is_said(own_valkey: OwnValkey) -> None:
    async def story(_: asyncio.Task[None]) -> None:
        await asyncio.gather(*(_ask("double", number=number) for number in range(20)))

    _with_owner({"double": _double}, story)
    assert own_valkey.client().keys("*") == []
