"""Ask a service's owner: synchronous, bounded by a deadline."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from config.core.ask.wire import (
    Reply,
    Request,
    as_bytes,
    presence_key,
    raisable,
    reply_key,
    requests_key,
)
from config.core.errors import MalformedResponse, RetryableError
from config.core.redis.client import redis_client

Answer = TypeVar("Answer")

#: The longest deadline a question may have.
LONGEST_DEADLINE = 120.0
#: Requests that may wait for one owner; more mean that it does not keep up.
MOST_WAITING = 1000
_LOOK_SECONDS = 1.0
_REQUESTS_KEPT_SECONDS = 180

_PUSH = """
local owner = redis.call('GET', KEYS[2])
if not owner then return '' end
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 'full' end
local clock = redis.call('TIME')
local wanted_until = clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[2]
redis.call('RPUSH', KEYS[1], string.format('%.0f', wanted_until) .. ' ' .. ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return owner
"""


def ask(
    service: str,
    question: str,
    arguments: Mapping[str, Any],
    *,
    deadline: float,
    answer_type: type[Answer],
) -> Answer:
    """Return the owner's answer to ``question`` within ``deadline`` seconds.

    ``arguments`` may be anything msgspec writes as JSON; the answer is decoded as ``answer_type``.
    Errors of ``config.core.errors`` that the owner raised are raised here as the same class.

    Raises:
        RetryableError: nobody owns the service, its owner went away, no answer came in time, or
            Redis was lost on the way.
        MalformedResponse: the answer is not of ``answer_type`` (the owner runs another version).
    """
    ends = time.monotonic() + min(deadline, LONGEST_DEADLINE)
    request = Request(id=secrets.token_hex(12), question=question, arguments=dict(arguments))
    try:
        owner = redis_client().eval(
            _PUSH,
            2,
            requests_key(service),
            presence_key(service),
            msgspec.json.encode(request).decode(),
            max(1, int((ends - time.monotonic()) * 1000)),
            MOST_WAITING,
            _REQUESTS_KEPT_SECONDS,
        )
        if not owner:
            raise RetryableError(
                f"{service}: nobody answers; is the streams process running? `manage.py up` starts "
                "it, `manage.py run_streams` alone.",
                provider=service,
            )
        if owner == "full":
            raise RetryableError(f"{service}: too many questions wait already.", provider=service)
        body = _wait(service, request.id, str(owner), ends)
    except RedisError as error:
        raise RetryableError(
            f"{service}: Redis was lost while asking {question} ({type(error).__name__}); is it "
            "running? `manage.py up` starts it where REDIS_URL names none.",
            provider=service,
        ) from None
    if body is None:
        raise RetryableError(
            f"{service}: no answer to {question} in {deadline:g} s.", provider=service
        )
    return _opened(service, question, body, answer_type)


def _wait(service: str, request_id: str, owner: str, ends: float) -> bytes | None:
    """Return the reply, or ``None`` at the deadline.

    It uses its own connection, because it blocks for long.
    """
    remaining = ends - time.monotonic()
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        # Slightly longer than the block: only then does silence mean that Redis hangs.
        socket_timeout=max(remaining, 0.05) + 0.2,
        socket_connect_timeout=settings.REDIS_SOCKET_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
        single_connection_client=True,
    )
    try:
        while (remaining := ends - time.monotonic()) > 0:
            # Never 0, which means no limit.
            popped = client.blpop([reply_key(request_id)], max(min(remaining, _LOOK_SECONDS), 0.01))
            if popped:
                return as_bytes(popped[1])
            if redis_client().get(presence_key(service)) != owner:
                last = client.lpop(reply_key(request_id))
                if last:
                    return as_bytes(last)
                raise RetryableError(
                    f"{service}: its owner went away before it answered.", provider=service
                )
        return None
    finally:
        client.close()


def _opened(service: str, question: str, body: bytes, answer_type: type[Answer]) -> Answer:
    try:
        reply = msgspec.json.decode(body, type=Reply)
        if reply.error is None:
            return msgspec.json.decode(reply.result, type=answer_type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedResponse(
            f"{service}: the answer to {question} cannot be read ({error}).", provider=service
        ) from None
    raise raisable(reply.error, service)
