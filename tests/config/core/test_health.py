from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from config.core import health
from config.core.health import (
    CheckResult,
    heartbeat,
    heartbeat_age,
    heartbeat_check,
    note_clock,
    register_check,
    run_checks,
)
from config.core.redis.client import GuardedPipeline, GuardedRedis, key, reset_guards
from tests.config.core.servers import OwnValkey

pytestmark = [pytest.mark.urls("tests.config.core.urls"), pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _own_checks(monkeypatch: pytest.MonkeyPatch, own_valkey: OwnValkey) -> None:
    """The built-in checks, with those a test registers forgotten afterwards."""
    names = ("database", "redis", "worker", "beat")
    monkeypatch.setattr(health, "_checks", {name: health._checks[name] for name in names})


def _beat(server: OwnValkey, name: str, seconds_ago: float) -> None:
    kept = health._KEPT_SECONDS - seconds_ago
    server.client().set(key("heartbeat", name), "", px=round(kept * 1000))


def _all_well(server: OwnValkey) -> None:
    for name in ("worker", "beat"):
        _beat(server, name, 1)


def test_everything_well_is_ok_without_a_log_in(client: Client, own_valkey: OwnValkey) -> None:
    _all_well(own_valkey)
    response = client.get("/health")
    body = response.json()
    assert (response.status_code, body["status"]) == (200, "ok")
    assert {"database", "redis", "worker", "beat"} <= set(body["checks"])
    assert set(body["checks"]["worker"]) == {"status", "age_seconds", "detail"}
    assert 0 < body["checks"]["worker"]["age_seconds"] < 10
    assert "no-store" in response["Cache-Control"]


def test_silent_worker_is_degraded_with_its_age(client: Client, own_valkey: OwnValkey) -> None:
    _all_well(own_valkey)
    _beat(own_valkey, "worker", 300)
    response = client.get("/health")
    check = response.json()["checks"]["worker"]
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert check["status"] == "degraded"
    assert 299 < check["age_seconds"] < 310


def test_worker_never_seen_is_degraded(own_valkey: OwnValkey) -> None:
    _beat(own_valkey, "beat", 1)
    assert run_checks().status == "degraded"


def test_redis_down_is_degraded_and_not_down(client: Client, own_valkey: OwnValkey) -> None:
    _all_well(own_valkey)
    own_valkey.pause()
    response = client.get("/health")
    body = response.json()
    assert (response.status_code, body["status"]) == (200, "degraded")
    assert body["checks"]["redis"]["status"] == "down"
    assert body["checks"]["worker"]["detail"] == "Unknown: Redis is not reachable."


def test_database_gone_is_503(
    client: Client, own_valkey: OwnValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    _all_well(own_valkey)
    monkeypatch.setattr(health, "probe_database", lambda **_: "The database does not answer.")
    response = client.get("/health")
    assert (response.status_code, response.json()["status"]) == (503, "down")
    assert response.json()["checks"]["database"]["detail"] == "The database does not answer."


def test_registered_check_is_run(own_valkey: OwnValkey) -> None:
    _all_well(own_valkey)

    @register_check("disk")
    def disk() -> CheckResult:
        return CheckResult("degraded", detail="Nearly full.")

    result = run_checks()
    assert result.status == "degraded"
    assert result.checks["disk"].detail == "Nearly full."


def test_check_that_raises_is_down_without_its_message(own_valkey: OwnValkey) -> None:
    @register_check("broken")
    def broken() -> CheckResult:
        raise RuntimeError("password=hunter2hunter2")

    result = run_checks().checks["broken"]
    assert result == CheckResult("down", detail="The check failed (RuntimeError).")


def test_two_checks_of_one_name_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="redis"):
        register_check("redis")(lambda: CheckResult("ok"))


def test_provider_nobody_called_yet_is_no_worry(own_valkey: OwnValkey) -> None:
    _all_well(own_valkey)
    heartbeat_check("provider.broker", 120, expected=False)
    assert run_checks().status == "ok"
    _beat(own_valkey, "provider.broker", 600)
    assert run_checks().checks["provider.broker"].status == "degraded"


def test_heartbeat_is_written_at_most_once_a_second(own_valkey: OwnValkey) -> None:
    heartbeat("worker")
    assert heartbeat_age("worker") is not None
    own_valkey.client().delete(key("heartbeat", "worker"))
    heartbeat("worker")
    assert heartbeat_age("worker") is None


def test_heartbeat_without_redis_does_not_fail_and_is_tried_again(own_valkey: OwnValkey) -> None:
    own_valkey.pause()
    heartbeat("worker")
    own_valkey.resume()
    reset_guards()
    heartbeat("worker")
    assert heartbeat_age("worker") is not None


def test_all_heartbeats_and_clocks_are_read_at_once(
    own_valkey: OwnValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    _all_well(own_valkey)
    heartbeat_check("provider.broker", 120, expected=False)
    note_clock("web")
    read, asked = GuardedPipeline.execute, []

    def counted(pipeline: GuardedPipeline) -> list[Any]:
        asked.append(len(pipeline))
        return read(pipeline)

    monkeypatch.setattr(GuardedPipeline, "execute", counted)
    monkeypatch.setattr(GuardedRedis, "execute_command", lambda *_: pytest.fail("asked alone"))
    assert run_checks().status == "ok"
    assert asked == [3]


def test_only_reading_is_allowed(client: Client) -> None:
    assert client.post("/health").status_code == 405
