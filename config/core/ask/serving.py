"""Serve a service's questions: asynchronous, until cancelled."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
import redis.asyncio
import structlog
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from config.core.ask.wire import (
    Reply,
    Request,
    as_bytes,
    portable,
    presence_key,
    reply_key,
    requests_key,
)
from config.core.errors import ApplicationError, PermanentError, RetryableError

logger = structlog.get_logger(__name__)

#: Called with the question's arguments by name; may return anything msgspec writes as JSON.
Handler = Callable[..., Awaitable[Any]]

PRESENCE_SECONDS = 5.0
_RENEW_SECONDS = 1.0
_LOOK_SECONDS = 1.0
_PAUSE_WITHOUT_REDIS = 0.5

_LEAVE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


async def serve(service: str, handlers: Mapping[str, Handler], *, concurrency: int = 8) -> None:
    """Answer the service's questions until cancelled, at most ``concurrency`` at a time.

    A question past its deadline is dropped; a running one is cancelled at its deadline. Redis may
    go away and come back. When cancelled, it gives up its presence, so askers fail at once.
    """
    token = secrets.token_hex(8)
    free = asyncio.Semaphore(concurrency)
    client = _owners_client()
    presence = asyncio.create_task(_keep_presence(client, service, token), name=f"{service}.here")
    running: set[asyncio.Task[None]] = set()
    try:
        while not _cancelled():
            await free.acquire()
            taken = await _next_request(client, service)
            if taken is None:
                free.release()
                continue
            task = asyncio.create_task(_answer(client, service, handlers, *taken))
            running.add(task)
            task.add_done_callback(running.discard)
            task.add_done_callback(lambda _: free.release())
        raise asyncio.CancelledError
    finally:
        for task in (presence, *running):
            task.cancel()
        await asyncio.gather(presence, *running, return_exceptions=True)
        with suppress(RedisError, OSError):
            await client.eval(_LEAVE, 1, presence_key(service), token)
        with suppress(RedisError, OSError):
            await client.aclose()


def _owners_client() -> redis.asyncio.Redis:
    return redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=_LOOK_SECONDS + 2.0,
        socket_connect_timeout=2.0,
        retry=Retry(NoBackoff(), 0),
    )


def _cancelled() -> bool:
    """Return whether this task was cancelled.

    Each round asks, because redis-py swallows a cancellation while it opens a connection.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _keep_presence(client: redis.asyncio.Redis, service: str, token: str) -> None:
    while not _cancelled():
        with suppress(RedisError, OSError):
            await client.set(presence_key(service), token, px=int(PRESENCE_SECONDS * 1000))
        await asyncio.sleep(_RENEW_SECONDS)


async def _next_request(client: redis.asyncio.Redis, service: str) -> tuple[Request, float] | None:
    """Return the next request still wanted, and for how many seconds; ``None``: look again."""
    try:
        popped = await client.blpop([requests_key(service)], _LOOK_SECONDS)
        if not popped:
            return None
        seconds, microseconds = await client.time()
    except (RedisError, OSError) as error:
        logger.warning("ask.redis_lost", service=service, reason=type(error).__name__)
        await asyncio.sleep(_PAUSE_WITHOUT_REDIS)
        return None
    wanted_until, _, body = as_bytes(popped[1]).partition(b" ")
    remaining = int(wanted_until) / 1000 - (seconds + microseconds / 1_000_000)
    if remaining <= 0:
        logger.info("ask.too_late", service=service, seconds=round(-remaining, 3))
        return None
    try:
        return msgspec.json.decode(body, type=Request), remaining
    except (msgspec.DecodeError, UnicodeDecodeError):
        logger.warning("ask.unreadable", service=service, bytes=len(body))
        return None


async def _answer(
    client: redis.asyncio.Redis,
    service: str,
    handlers: Mapping[str, Handler],
    request: Request,
    remaining: float,
) -> None:
    try:
        async with asyncio.timeout(remaining):
            reply = await _reply_to(service, handlers, request)
    except TimeoutError:
        logger.info("ask.not_in_time", service=service, question=request.question)
        return
    name = reply_key(request.id)
    try:
        async with client.pipeline(transaction=True) as pipeline:
            pipeline.rpush(name, reply)
            pipeline.pexpire(name, int(remaining * 1000) + 1000)
            await pipeline.execute()
    except (RedisError, OSError) as error:
        logger.warning("ask.answer_lost", service=service, reason=type(error).__name__)


async def _reply_to(service: str, handlers: Mapping[str, Handler], request: Request) -> bytes:
    fault: ApplicationError
    try:
        if (handler := handlers.get(request.question)) is None:
            raise PermanentError(f"{service} does not know {request.question[:64]!r}.")
        result = await handler(**request.arguments)
        return msgspec.json.encode(Reply(result=msgspec.Raw(msgspec.json.encode(result))))
    except ApplicationError as error:
        fault = error
    except (TimeoutError, OSError) as error:
        # Not our deadline, which cancels: something the handler waited for timed out.
        fault = RetryableError(
            f"{service}: {request.question} failed ({type(error).__name__}).", provider=service
        )
    except Exception as error:
        logger.exception("ask.failed", service=service, question=request.question)
        fault = PermanentError(f"{service}: {request.question} failed ({type(error).__name__}).")
    return msgspec.json.encode(Reply(error=portable(fault)))
