from __future__ import annotations

import json
import math
import time
from typing import Any

import httpx
import pytest

from config.core.sandbox.faults import FaultScript, put_at
from config.core.sandbox.server import Sandbox


def test_scripted_status_replaces_the_answer_once(echo: Sandbox, get: Any) -> None:
    echo.faults.add(path="/rows$", status=429, headers={"Retry-After": "7"}, body={"error": "slow"})
    first, second = get("/rows"), get("/rows")
    assert (first.status_code, first.headers["Retry-After"], first.json()) == (
        429,
        "7",
        {"error": "slow"},
    )
    assert second.status_code == 200
    assert len(second.json()) == 2


def test_fault_after_two_requests_lets_two_through(echo: Sandbox, get: Any) -> None:
    echo.faults.add(after=2, times=2, status=503)
    assert [get("/rows").status_code for _ in range(6)] == [200, 200, 503, 503, 200, 200]


def test_fault_without_end_acts_until_cleared(echo: Sandbox, get: Any) -> None:
    echo.faults.add(times=None, status=500)
    assert {get("/rows").status_code for _ in range(5)} == {500}
    echo.faults.clear()
    assert get("/rows").status_code == 200


def test_fault_of_another_path_method_or_server_leaves_the_request_alone(
    echo: Sandbox, get: Any
) -> None:
    echo.faults.add(path="/other$", status=500)
    echo.faults.add(method="POST", status=500)
    echo.faults.add(server="elsewhere", status=500)
    assert get("/rows").status_code == 200


def test_replaced_values_arrive_with_the_rest_untouched(echo: Sandbox, get: Any) -> None:
    echo.faults.add(path="/rows$", replace={"/*/price": math.nan, "/1/name": "\x00"})
    rows = json.loads(get("/rows").text)
    assert [math.isnan(row["price"]) for row in rows] == [True, True]
    assert [row["name"] for row in rows] == ["one", "\x00"]


def test_truncated_answer_is_complete_http_with_half_json(echo: Sandbox, get: Any) -> None:
    echo.faults.add(truncate=10)
    assert get("/rows").text == '[{"price":'


def test_html_with_200_is_sent_as_it_is(echo: Sandbox, get: Any) -> None:
    echo.faults.add(status=200, headers={"Content-Type": "text/html"}, body="<html>maintenance")
    answer = get("/rows")
    assert (answer.text, answer.headers["Content-Type"]) == ("<html>maintenance", "text/html")


def test_dropped_connection_is_an_error_of_the_transport(echo: Sandbox, get: Any) -> None:
    echo.faults.add(disconnect=True)
    with pytest.raises(httpx.RemoteProtocolError):
        get("/rows")
    assert get("/rows").status_code == 200


def test_delay_longer_than_the_timeout_ends_in_a_timeout(echo: Sandbox) -> None:
    # So long that a busy machine cannot make the answer look like the timeout.
    delay = 2.0
    echo.faults.add(delay=delay)
    started = time.monotonic()
    with httpx.Client(timeout=0.1, trust_env=False) as client, pytest.raises(httpx.ReadTimeout):
        client.get(echo.url("echo") + "/rows")
    assert time.monotonic() - started < delay


def test_newest_matching_fault_acts_first() -> None:
    script = FaultScript()
    older = script.add(status=500)
    newer = script.add(status=503)
    assert script.take("any", "GET", "/") is newer
    assert script.take("any", "GET", "/") is older
    assert script.take("any", "GET", "/") is None


def test_impossible_path_expression_is_refused() -> None:
    with pytest.raises(ValueError, match="path"):
        FaultScript().add(path="(")


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("/a/0", {"a": ["new", 2], "b": {"x/y": 1}}),
        ("/a/-", {"a": [1, 2, "new"], "b": {"x/y": 1}}),
        ("/a/*", {"a": ["new", "new"], "b": {"x/y": 1}}),
        ("/b/x~1y", {"a": [1, 2], "b": {"x/y": "new"}}),
        ("/c", {"a": [1, 2], "b": {"x/y": 1}, "c": "new"}),
        ("", "new"),
    ],
)
def test_pointer_puts_the_value_there_and_nowhere_else(pointer: str, expected: Any) -> None:
    assert put_at({"a": [1, 2], "b": {"x/y": 1}}, pointer, "new") == expected


@pytest.mark.parametrize("pointer", ["/a/7", "/missing/x", "/a/0/deeper"])
def test_pointer_that_leads_nowhere_is_refused(pointer: str) -> None:
    with pytest.raises(ValueError, match="/"):
        put_at({"a": [1, 2]}, pointer, "new")
