"""Calls that are answered, and answers that cannot be used."""

from __future__ import annotations

import gzip
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import certifi
import httpx
import pytest

from config.core.errors import (
    ForbiddenError,
    MalformedResponse,
    PermanentError,
    RetryableError,
)
from config.core.health import heartbeat_age
from config.core.http.budget import CallBudget
from config.core.http.caller import HttpCaller
from tests.config.core.http.conftest import MakeCaller
from tests.config.core.servers import Reply, ScriptedProvider

pytestmark = pytest.mark.usefixtures("own_valkey")


def test_answer_is_the_decoded_body(provider: ScriptedProvider, make_caller: MakeCaller) -> None:
    provider.replies = [Reply.of({"positions": [1, 2.5, None]})]
    assert make_caller().request_json("GET", "/book") == {"positions": [1, 2.5, None]}


def test_request_carries_query_headers_and_body(
    provider: ScriptedProvider, make_caller: MakeCaller, settings: Any
) -> None:
    caller = make_caller(headers={"Accept-Version": "7"}, authorise=lambda: {"X-Session": "s1"})
    caller.request_json("POST", "/orders", params={"force": "true"}, json={"a": 1})
    seen = provider.seen[0]
    assert (seen.method, seen.path, seen.body) == ("POST", "/orders?force=true", b'{"a":1}')
    assert seen.headers["accept-version"] == "7"
    assert seen.headers["x-session"] == "s1"
    assert seen.headers["user-agent"] == settings.USER_AGENT


def test_form_data_is_sent_as_a_form(provider: ScriptedProvider, make_caller: MakeCaller) -> None:
    make_caller().request_json("POST", "/token", data={"grant": "refresh"})
    assert provider.seen[0].body == b"grant=refresh"


def test_no_content_is_none(provider: ScriptedProvider, make_caller: MakeCaller) -> None:
    provider.replies = [Reply(204, b"")]
    assert make_caller().request_json("POST", "/logout") is None


def test_connection_is_kept_between_calls(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    caller = make_caller()
    for _ in range(5):
        caller.request_json("GET", "/book")
    assert len({seen.connection for seen in provider.seen}) == 1


def test_one_caller_serves_many_threads(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    caller = make_caller()
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda n: caller.request_json("GET", f"/row/{n}"), range(64))
    assert [answer["path"] for answer in answers] == [f"/row/{n}" for n in range(64)]


def test_not_a_number_passes_for_the_adapter_to_judge(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply(200, b'{"delta": NaN, "vega": Infinity, "price": 1e400}')]
    answer = make_caller().request_json("GET", "/greeks")
    assert answer["delta"] != answer["delta"]
    assert answer["vega"] == answer["price"] == float("inf")


def test_success_is_the_providers_heartbeat(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    assert heartbeat_age("provider.broker") is None
    make_caller().request_json("GET", "/book")
    age = heartbeat_age("provider.broker")
    assert age is not None
    assert age < 5


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"positions": [{"conid": 1', "application/json"),
        (b"<html><body>Just a moment</body></html>", "text/html; charset=utf-8"),
        (b"", "application/json"),
        (b'{"a": 1} {"b": 2}', "application/json"),
        (b'{"name": "\xff\xfe"}', "application/json"),
        (b'{"name": "\\ud800"}', "application/json"),
        (b"[" * 100_000, "application/json"),
    ],
    ids=["half", "html", "empty", "two documents", "not utf-8", "lone surrogate", "deep"],
)
def test_body_that_is_not_json_is_malformed_and_not_retried(
    provider: ScriptedProvider, make_caller: MakeCaller, body: bytes, kind: str
) -> None:
    provider.always(Reply(200, body, {"Content-Type": kind}))
    with pytest.raises(MalformedResponse, match=r"broker GET /book"):
        make_caller().request_json("GET", "/book")
    assert len(provider.seen) == 1


def test_oversized_body_is_malformed(provider: ScriptedProvider, make_caller: MakeCaller) -> None:
    provider.replies = [Reply.of(["x" * 5000])]
    with pytest.raises(MalformedResponse, match="larger than 4096 bytes"):
        make_caller().request_json("GET", "/book", maximum_bytes=4096)


def test_compressed_body_counts_as_it_is_unpacked(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    packed = gzip.compress(b'["' + b"x" * 1_000_000 + b'"]')
    provider.replies = [Reply(200, packed, {"Content-Encoding": "gzip"})]
    assert len(packed) < 4096
    with pytest.raises(MalformedResponse, match="larger than"):
        make_caller().request_json("GET", "/book", maximum_bytes=4096)


def test_broken_compression_is_malformed(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply(200, b"not gzip", {"Content-Encoding": "gzip"})]
    with pytest.raises(MalformedResponse, match="compression"):
        make_caller().request_json("GET", "/book")


def test_redirect_is_not_followed(provider: ScriptedProvider, make_caller: MakeCaller) -> None:
    provider.replies = [Reply(302, b"", {"Location": "/login"})]
    with pytest.raises(PermanentError, match="302"):
        make_caller().request_json("GET", "/book")
    assert [seen.path for seen in provider.seen] == ["/book"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, PermanentError), (403, ForbiddenError), (404, PermanentError), (422, PermanentError)],
)
def test_refusal_carries_the_vendors_message_and_is_not_retried(
    provider: ScriptedProvider, make_caller: MakeCaller, status: int, kind: type[Exception]
) -> None:
    provider.always(Reply.of({"error": "account is closed"}, status=status))
    with pytest.raises(kind, match=rf"broker GET /book: {status} account is closed"):
        make_caller().request_json("GET", "/book")
    assert len(provider.seen) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "x", "message": "no such account"}},
        {"errors": [{"errorCode": "UDAPI1", "message": "no such account"}]},
        {"error": "no such account"},
        {"message": "no such account"},
        ["no such account"],
    ],
)
def test_vendors_message_is_found_in_each_shape(
    provider: ScriptedProvider, make_caller: MakeCaller, body: Any
) -> None:
    provider.replies = [Reply.of(body, status=400)]
    with pytest.raises(PermanentError, match=r"400 no such account$"):
        make_caller().request_json("GET", "/book")


def test_vendors_message_is_one_short_line(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply.of({"error": "line one\nline two\x1b[31m" + "x" * 900}, status=400)]
    with pytest.raises(PermanentError) as refused:
        make_caller().request_json("GET", "/book")
    assert "line one line two" in str(refused.value)
    assert refused.value.message.isprintable()
    assert len(str(refused.value)) < 260


def test_secrets_that_the_vendor_echoes_stay_out_of_the_message(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    canary = "cAnArY-9f27c1d4-refresh"
    provider.always(Reply.of({"error": f"bad value {canary}"}, status=400))
    caller = make_caller(authorise=lambda: {"Authorization": f"Bearer {canary}"})
    with pytest.raises(PermanentError) as by_header:
        caller.request_json("GET", "/book", params={"api_key": canary})
    with pytest.raises(PermanentError) as by_body:
        make_caller().request_json("POST", "/token", data={"refresh_token": canary})
    for refused in (by_header, by_body):
        assert canary not in str(refused.value)
        assert "bad value" in str(refused.value)
        assert refused.value.__cause__ is None


def test_query_is_not_in_the_message(provider: ScriptedProvider, make_caller: MakeCaller) -> None:
    provider.always(Reply(400))
    with pytest.raises(PermanentError) as refused:
        make_caller().request_json("GET", "/book?session=abc", params={"page": "7"})
    assert refused.value.message == "broker GET /book: 400"


def test_without_redis_calls_go_on(
    provider: ScriptedProvider, make_caller: MakeCaller, no_redis: None
) -> None:
    caller = make_caller(budgets={"": CallBudget("all", limit=10, seconds=60)})
    started = time.monotonic()
    for _ in range(5):
        caller.request_json("GET", "/book")
    assert len(provider.seen) == 5
    assert time.monotonic() - started < 1.0


@pytest.mark.parametrize("verify", [True, certifi.where()], ids=["system", "file"])
def test_encrypted_provider_must_prove_itself(provider: ScriptedProvider, verify: Any) -> None:
    caller = HttpCaller(
        "broker", provider.url.replace("http:", "https:"), timeout=1.0, verify=verify, attempts=1
    )
    with pytest.raises(RetryableError, match="ConnectError"):
        caller.request_json("GET", "/book")
    assert provider.seen == []
    caller.close()


def test_transport_can_be_replaced(make_caller: MakeCaller) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"m": request.method}))
    assert make_caller(transport=transport).request_json("get", "/book") == {"m": "GET"}
