"""``/health`` never waits: not for a database that is gone, nor for a check that hangs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from config.core import health
from config.core.health import CheckResult, HealthStatus
from config.core.serving import health as door_module
from config.core.serving.health import HealthDoor

pytestmark = pytest.mark.anyio

WELL = HealthStatus("ok", {"database": CheckResult("ok", 0.0), "worker": CheckResult("ok", 3.0)})
GONE = CheckResult("down", detail="The database does not answer.")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Checks:
    """The desk's checks in the test's hands: what they find, and whether they hang."""

    def __init__(self) -> None:
        self.database = CheckResult("ok", 0.0)
        self.free = threading.Event()
        self.free.set()

    def run(self) -> HealthStatus:
        self.free.wait(30)
        return WELL


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Checks]:
    checks = Checks()
    monkeypatch.setattr(door_module, "run_checks", checks.run)
    monkeypatch.setattr(door_module, "check_database", lambda: checks.database)
    monkeypatch.setattr(door_module, "KEPT_SECONDS", 0.0)
    monkeypatch.setattr(door_module, "CHECKS_SECONDS", 0.05)
    yield checks
    checks.free.set()


async def ask(door: HealthDoor) -> tuple[int, dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "raw_path": b"/health"}
    await door(scope, None, send)  # type: ignore[arg-type]
    return sent[0]["status"], json.loads(sent[1]["body"])


async def looked(door: HealthDoor) -> None:
    """Let the first look end: a busy machine may take longer than the door waits."""
    await door._checks.look()


async def test_checks_that_hang_are_told_from_the_last_look_with_its_age(checks: Checks) -> None:
    door = HealthDoor(None)  # type: ignore[arg-type]
    await looked(door)
    checks.free.clear()
    door._checks._found_at -= 7
    status, body = await ask(door)
    assert (status, body["status"]) == (200, "ok")
    assert 7 <= body["age_seconds"] < 60
    assert body["checks"]["worker"]["age_seconds"] == 3.0


async def test_checks_that_never_ended_are_unknown(checks: Checks) -> None:
    checks.free.clear()
    status, body = await ask(HealthDoor(None))  # type: ignore[arg-type]
    assert (status, body["status"]) == (200, "degraded")
    assert body["checks"]["redis"]["detail"] == "Not checked: the checks take too long."
    assert body["checks"]["database"]["status"] == "ok"


async def test_database_that_goes_while_a_check_hangs_is_503(checks: Checks) -> None:
    door = HealthDoor(None)  # type: ignore[arg-type]
    await looked(door)
    checks.free.clear()
    assert (await ask(door))[0] == 200
    checks.database = GONE
    status, body = await ask(door)
    assert (status, body["status"]) == (503, "down")
    assert body["checks"]["database"]["detail"] == GONE.detail
    assert body["checks"]["redis"]["detail"] == "Not checked: the database does not answer."


def test_database_has_half_a_second_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    def probe(*, wait_up_to: float) -> str:
        waited.append(wait_up_to)
        return GONE.detail

    monkeypatch.setattr(health, "probe_database", probe)
    assert health.run_checks().code == 503
    assert waited == [0.5]
