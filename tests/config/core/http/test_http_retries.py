"""Calls that are sent again, and those that are not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from config.core.errors import (
    RetryableError,
)
from config.core.http.caller import HttpCaller
from tests.config.core.http.conftest import MakeCaller
from tests.config.core.servers import Reply, ScriptedProvider

pytestmark = pytest.mark.usefixtures("own_valkey")


def test_server_errors_are_retried_until_one_answers(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply(500), Reply(503), Reply.of({"ok": True})]
    assert make_caller().request_json("GET", "/book") == {"ok": True}
    assert len(provider.seen) == 3


def test_server_errors_end_as_retryable_after_the_attempts(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.always(Reply.of({"error": {"message": "maintenance"}}, status=503))
    with pytest.raises(RetryableError, match=r"broker GET /book: 503 maintenance"):
        make_caller(attempts=2).request_json("GET", "/book")
    assert len(provider.seen) == 2


def test_cut_connection_is_retried(provider: ScriptedProvider, make_caller: MakeCaller) -> None:
    provider.replies = [Reply(200, b'{"a": 1, "b": 2}', cut_after=5), Reply.of({"a": 1})]
    assert make_caller().request_json("GET", "/book") == {"a": 1}


def test_slow_answer_is_given_up_and_retried(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    release = threading.Event()
    provider.replies = [Reply(until=release), Reply.of({"a": 1})]
    assert make_caller(timeout=0.1).request_json("GET", "/book") == {"a": 1}
    release.set()


def test_answer_that_drips_in_is_given_up(make_caller: MakeCaller) -> None:
    class Dripping(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(200):
                time.sleep(0.02)
                yield b" "

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Dripping()))
    started = time.monotonic()
    with pytest.raises(RetryableError, match="too slowly"):
        make_caller(timeout=0.1, attempts=1, transport=transport).request_json("GET", "/book")
    assert time.monotonic() - started < 1.0


def test_hanging_provider_costs_no_more_than_the_attempts(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    release = threading.Event()
    provider.always(Reply(until=release))
    started = time.monotonic()
    with pytest.raises(RetryableError, match="ReadTimeout"):
        make_caller(timeout=0.1, attempts=3).request_json("GET", "/book")
    assert time.monotonic() - started < 1.5
    release.set()


def test_nobody_listening_is_retryable(make_caller: MakeCaller) -> None:
    caller = HttpCaller("broker", "http://127.0.0.1:9", timeout=0.2, attempts=1)
    with pytest.raises(RetryableError, match="ConnectError"):
        caller.request_json("GET", "/book")
    caller.close()


def test_post_is_sent_once_unless_asked(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.always(Reply(500))
    caller = make_caller()
    with pytest.raises(RetryableError):
        caller.request_json("POST", "/tickle")
    assert len(provider.seen) == 1
    with pytest.raises(RetryableError):
        caller.request_json("POST", "/tickle", retry=True)
    assert len(provider.seen) == 4
