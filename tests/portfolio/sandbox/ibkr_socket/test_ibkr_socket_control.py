"""The simulated gateway's switchboard, in process and under ``/_control/ibkr_socket``."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from ib_async import ExecutionFilter

from config.core.sandbox.server import Sandbox
from tests.portfolio.sandbox.ibkr_socket.ib_clients import connected
from tests.sandbox_server import GatewayHandle

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "fault",
    [
        {"colour": "red"},
        {"match": "["},
        {"replace": {"first": "1"}},
        {"garbage": "xyz"},
    ],
)
def test_impossible_fault_is_refused_by_name(gateway: GatewayHandle, fault: Any) -> None:
    with pytest.raises(ValueError, match=f"(?i){next(iter(fault))}"):
        gateway.faults.add(**fault)


@pytest.mark.parametrize("state", [{"colour": True}, {"silent": 1}, {"execution_days": "7"}])
def test_impossible_state_is_refused_by_name(gateway: GatewayHandle, state: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(state))):
        gateway.faults.change(**state)


async def test_everything_is_scriptable_over_http(sandbox: Sandbox, gateway: GatewayHandle) -> None:
    root = f"{sandbox.url('_control')}/ibkr_socket"
    assert sandbox.addresses()["ibkr_socket"] == f"tcp://{gateway.host}:{gateway.port}"
    async with (
        httpx.AsyncClient(base_url=root, trust_env=False, timeout=10) as control,
        connected(gateway) as client,
    ):
        said = await control.post("/state", json={"execution_days": 7})
        assert said.json()["execution_days"] == 7
        assert (await control.get("/state")).json() == said.json()
        held = {"message": 11, "hold": True, "times": None}
        assert (await control.post("/faults", json=held)).status_code == 201
        client.client.reqExecutions(77, ExecutionFilter())
        assert (await control.get("/clients")).json() == {"market_data_lines": {"1": 0}}
        assert await client.reqCurrentTimeAsync()
        before = len(client.fills())
        assert (await control.post("/events", json={"event": "release"})).is_success
        await client.until(lambda: len(client.fills()) > before)
        corrected = await control.post(
            "/events",
            json={
                "event": "correct",
                "execution_id": client.fills()[0].execution.execId,
                "price": 1.25,
            },
        )
        assert corrected.json()["execution_id"].endswith(".02")
        await control.post("/events", json={"event": "notify", "code": 1100})
        await client.until(lambda: 1100 in client.codes())
        wrong_events: tuple[Any, ...] = ({"event": "dance"}, {"event": "notify"}, {}, [])
        for wrong in wrong_events:
            assert (await control.post("/events", json=wrong)).status_code == 400
        await control.delete("/faults")
        await control.post("/events", json={"event": "disconnect"})
        await client.until(lambda: not client.isConnected())
