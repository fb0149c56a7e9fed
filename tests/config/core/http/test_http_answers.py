"""Answers that are read by the caller's own function, and refusals with a vendor's own code."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from config.core.errors import (
    ForbiddenError,
    PermanentError,
    ProviderClosed,
    ProviderError,
    RateLimitedError,
)
from config.core.http.breaker import BreakerState
from config.core.http.budget import CallBudget
from config.core.http.caller import HttpCaller
from config.core.http.responses import Answer

Handler = Callable[[httpx.Request], httpx.Response]


def caller(handler: Handler, **options: Any) -> HttpCaller:
    values: dict[str, Any] = {"timeout": 1.0, "transport": httpx.MockTransport(handler)}
    return HttpCaller("vendor", "https://vendor.test", **(values | options))


def test_answer_is_what_the_reader_makes_of_its_body_and_headers() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"ETag": '"v1"'}, content=b"[1,2]")

    def read(answer: Answer) -> tuple[str | None, bytes, Any]:
        return answer.headers.get("etag"), answer.body, answer.json()

    assert caller(handler).request("GET", "/chain", read=read) == ('"v1"', b"[1,2]", [1, 2])


def test_not_modified_is_an_answer_only_to_a_call_with_a_condition() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(304)

    asked = caller(handler)
    condition = {"If-None-Match": '"v1"'}
    status = asked.request("GET", "/chain", read=lambda answer: answer.status, headers=condition)
    assert status == 304
    with pytest.raises(PermanentError):
        asked.request("GET", "/chain", read=lambda answer: answer.status)


def explained(status: int, body: bytes, message: str) -> ProviderError | None:
    code = json.loads(body).get("code")
    if code == "CLOSED":
        return ProviderClosed(f"{message} until five", provider="vendor", retry_after=600.0)
    return ForbiddenError(message, provider="vendor") if code == "BANNED" else None


def test_refusal_is_what_the_vendors_code_says_before_what_the_status_says() -> None:
    codes = iter(["BANNED", "OTHER", "CLOSED"])
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(400, json={"code": next(codes), "message": "No."})

    vendor = caller(handler, explain=explained)
    with pytest.raises(ForbiddenError, match="400 No"):
        vendor.request_json("GET", "/chain")
    with pytest.raises(PermanentError) as other:
        vendor.request_json("GET", "/chain")
    assert type(other.value) is PermanentError
    with pytest.raises(ProviderClosed, match="until five") as closed:
        vendor.request_json("GET", "/chain")
    assert closed.value.retry_after == 600.0
    assert len(asked) == 3


def test_vendor_that_is_closed_opens_no_breaker() -> None:
    vendor = caller(lambda _: httpx.Response(503, json={"code": "CLOSED"}), explain=explained)
    for _ in range(7):
        with pytest.raises(ProviderClosed):
            vendor.request_json("GET", "/chain")
    assert vendor.breaker.state() is BreakerState.CLOSED


def test_every_window_of_a_path_is_kept() -> None:
    windows = [
        CallBudget("vendor.short", limit=3, seconds=60),
        CallBudget("vendor.long", limit=2, seconds=1800),
    ]
    vendor = caller(lambda _: httpx.Response(200, json={}), budgets={"/": windows})
    for _ in range(2):
        vendor.request_json("GET", "/chain")
    with pytest.raises(RateLimitedError, match=r"vendor\.long \(2 in 1800 s\)"):
        vendor.request_json("GET", "/chain")
    # The longest window was asked first: the short one lost no call to the refusal.
    assert windows[0].try_acquire() == 0.0
