from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.core.errors import InvalidInput, Unavailable
from config.core.sandbox.registry import RegisteredServer
from config.core.sandbox.server import Sandbox
from tests.config.core.sandbox.conftest import StoppedMarket


def control(sandbox: Sandbox) -> httpx.Client:
    return httpx.Client(base_url=sandbox.url("_control"), timeout=5, trust_env=False)


def test_server_is_mounted_below_its_name(echo: Sandbox, get: Any) -> None:
    assert get("/some/where").json() == {"path": "some/where", "server": "echo"}
    assert echo.addresses() == {
        "echo": f"http://127.0.0.1:{echo.port}/echo/v1",
        "_control": f"http://127.0.0.1:{echo.port}/_control",
    }


def test_faults_are_scripted_and_cleared_over_http(echo: Sandbox, get: Any) -> None:
    with control(echo) as client:
        assert client.post("/faults", json={"status": 502, "times": None}).status_code == 201
        assert get("/rows").status_code == 502
        client.delete("/faults")
    assert get("/rows").status_code == 200


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"seen": 3}, "seen"),
        ({"path": "["}, "path"),
        ([], "object"),
    ],
)
def test_impossible_fault_is_refused_by_name(echo: Sandbox, body: Any, named: str) -> None:
    with control(echo) as client:
        answer = client.post("/faults", json=body)
    assert answer.status_code == 400
    assert named in answer.json()["error"]


def test_requests_are_logged_without_headers_or_bodies(echo: Sandbox, get: Any) -> None:
    get("/rows", params={"page": 2}, headers={"Authorization": "Bearer canary"})
    with control(echo) as client:
        logged = client.get("/requests", params={"server": "echo"}).json()["requests"]
        assert logged == [
            {
                "server": "echo",
                "method": "GET",
                "path": "/v1/rows",
                "query": "page=2",
                "status": 200,
                "faulted": False,
            }
        ]
        client.delete("/requests")
        assert client.get("/requests").json()["requests"] == []


def test_clock_moves_by_the_steps_that_are_asked_for(echo: Sandbox) -> None:
    with control(echo) as client:
        assert client.post("/clock", json={"step_seconds": 90}).json() == {
            "now": "2026-01-05T15:01:30+00:00",
            "frozen": True,
        }
        refused = client.post("/clock", json={"step_seconds": "soon"})
        assert refused.status_code == 400
        assert "step_seconds" in refused.json()["error"]
        assert client.get("/clock").json()["now"] == "2026-01-05T15:01:30+00:00"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.com"])  # noqa: S104
def test_other_host_than_loopback_is_refused(host: str) -> None:
    with pytest.raises(InvalidInput, match="loopback"):
        Sandbox(market=StoppedMarket(), books=object(), servers=[], host=host)


def test_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=str(port)):
            Sandbox(market=StoppedMarket(), books=object(), servers=[], port=port)


def test_stopped_sandbox_no_longer_answers(echo_server: RegisteredServer) -> None:
    with Sandbox(market=StoppedMarket(), books=object(), servers=[echo_server]) as running:
        address = running.url("echo") + "/rows"
        assert httpx.get(address, trust_env=False).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(address, trust_env=False)


def recording(path: str, body: Any, *, status: int = 200) -> str:
    return json.dumps(
        {
            "Request": {"Path": path, "Methods": ["GET"]},
            "Response": {"StatusCode": status, "Headers": {"X-Kept": "yes"}, "Body": body},
        }
    )


def test_recorded_answers_come_before_the_simulated_ones(
    echo_server: RegisteredServer, tmp_path: Path
) -> None:
    (tmp_path / "a-first.json").write_text(recording("/v1/orders", []))
    (tmp_path / "b-then.json").write_text(recording("/v1/orders", [1], status=203))
    plain = tmp_path / "accounts" / "U1"
    plain.mkdir(parents=True)
    (plain / "0.json").write_text('["page"]')
    sandbox = Sandbox(
        market=StoppedMarket(),
        books=object(),
        servers=[echo_server],
        recorded={"echo": [tmp_path]},
    )
    with sandbox, httpx.Client(base_url=sandbox.url("echo"), trust_env=False) as client:
        answers = [client.get("/orders") for _ in range(3)]
        assert [(answer.status_code, answer.json()) for answer in answers] == [
            (200, []),
            (203, [1]),
            (203, [1]),
        ]
        assert answers[0].headers["X-Kept"] == "yes"
        assert client.post("/orders").json()["path"] == "orders"
        assert client.get("/accounts/U1/0").json() == ["page"]
        assert client.get("/accounts/U1/1").json()["path"] == "accounts/U1/1"


@pytest.mark.parametrize(
    ("content", "named"), [(None, "not a folder"), ("", "no JSON"), ("{half", "not JSON")]
)
def test_unusable_recorded_folder_is_refused(
    echo_server: RegisteredServer, tmp_path: Path, content: str | None, named: str
) -> None:
    folder = tmp_path / "recorded"
    if content is not None:
        folder.mkdir()
    if content:
        (folder / "answer.json").write_text(content)
    with pytest.raises(InvalidInput, match=named):
        Sandbox(
            market=StoppedMarket(),
            books=object(),
            servers=[echo_server],
            recorded={"echo": [folder]},
        )


def test_recorded_folder_for_an_unknown_server_names_the_known_ones(
    echo_server: RegisteredServer, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match=r"upstox.*echo"):
        Sandbox(
            market=StoppedMarket(),
            books=object(),
            servers=[echo_server],
            recorded={"upstox": [tmp_path]},
        )
