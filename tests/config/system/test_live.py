"""``/ws/system`` over the real websocket application and a real Valkey."""

from __future__ import annotations

import pytest

from config.core import health
from config.core.health import CheckResult
from config.system.feed import SystemFeed, read_state
from tests.factories import UserFactory
from tests.portfolio.risk_monitor.test_live import run, signed_in_cookie
from tests.sockets import ORIGIN, socket

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_staff_are_told_when_a_check_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemFeed, "look_seconds", 0.05)
    result = CheckResult("ok", 1.0)
    monkeypatch.setitem(health._checks, "sample", lambda: result)
    cookie = await run(signed_in_cookie, await run(lambda: UserFactory.create(is_staff=True)))
    async with socket(cookie, ORIGIN, path="/ws/system") as (client_end, connected):
        assert connected
        snapshot = await client_end.frame()
        assert snapshot["type"] == "system.snapshot"
        assert snapshot["data"]["checks"]["sample"] == ["ok", ""]
        assert snapshot["data"]["queue"]["pending_updates"] == 0
        result = CheckResult("down", 99.0, "no heartbeat")
        frame = snapshot
        while frame["data"]["checks"]["sample"] != ["down", "no heartbeat"]:
            before, frame = frame, await client_end.frame()
            assert frame["type"] == "system.changed"
            assert frame["previous_version"] == before["version"]


async def test_others_are_refused() -> None:
    cookie = await run(signed_in_cookie, await run(lambda: UserFactory.create()))
    async with socket(cookie, ORIGIN, path="/ws/system") as (client_end, _):
        assert (await client_end.output())["code"] == 4404
    async with socket(ORIGIN, path="/ws/system") as (_, connected):
        assert not connected


async def test_looking_twice_sees_no_change() -> None:
    assert await run(read_state) == await run(read_state)
