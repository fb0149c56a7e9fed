from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from prometheus_client import REGISTRY

from config.core.monitoring.counting import hand_on

pytestmark = [
    pytest.mark.urls("tests.config.core.urls"),
    pytest.mark.django_db,
    pytest.mark.any_database,
]

ELSEWHERE: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.7"}


def _count(method: str, route: str, status: str) -> float:
    labels = {"method": method, "route": route, "status": status}
    hand_on()
    return REGISTRY.get_sample_value("greekdesk_request_seconds_count", labels) or 0.0


def test_requests_are_counted_by_route_and_not_by_address(client: Client) -> None:
    before = _count("GET", "api/rows/<int:number>", "200")
    for number in range(3):
        client.get(f"/api/rows/{number}")
    assert _count("GET", "api/rows/<int:number>", "200") == before + 3


def test_unknown_addresses_and_methods_do_not_multiply_the_series(client: Client) -> None:
    before = _count("other", "unmatched", "404")
    client.generic("FOO", "/nowhere/1")
    client.generic("BAR", "/nowhere/2")
    assert _count("other", "unmatched", "404") == before + 2


def test_failed_requests_are_counted_with_their_status() -> None:
    before = _count("GET", "api/errors/<str:name>", "409")
    Client().get("/api/errors/conflict")
    assert _count("GET", "api/errors/<str:name>", "409") == before + 1


def test_metrics_are_prometheus_text(client: Client) -> None:
    client.get("/api/rows/1")
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain")
    assert b'greekdesk_request_seconds_bucket{le="0.001"' in response.content


def test_metrics_of_all_web_processes_come_from_any_of_them(tmp_path: Path) -> None:
    script = (
        "import os;"
        "from config.core.monitoring.counting import hand_on;"
        "from config.core.monitoring.recording import record_provider_call;"
        "from config.core.monitoring.scraping import collect_metrics;"
        "child = os.fork();"
        "record_provider_call('broker', 'ok', 0.1);"
        "child or (hand_on(), os._exit(0));"
        "os.waitpid(child, 0);"
        "print(collect_metrics().decode())"
    )
    environment = os.environ | {
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
    }
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env=environment,
    )
    line = 'greekdesk_provider_call_seconds_count{outcome="ok",provider="broker"} 2.0'
    assert line in ran.stdout


def test_stranger_may_not_read_metrics(client: Client) -> None:
    response = client.get("/metrics", **ELSEWHERE)
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "forbidden"


def test_forwarded_request_is_not_from_this_machine(client: Client) -> None:
    assert client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 403


@pytest.mark.parametrize(("is_staff", "status"), [(True, 200), (False, 403)])
def test_staff_may_read_metrics_from_anywhere(client: Client, is_staff: bool, status: int) -> None:
    user = get_user_model().objects.create_user(username="person", is_staff=is_staff)
    client.force_login(user)
    assert client.get("/metrics", **ELSEWHERE).status_code == status


@pytest.mark.parametrize(
    ("configured", "offered", "status"),
    [
        ("metrics-token-1", "Bearer metrics-token-1", 200),
        ("metrics-token-1", "Bearer metrics-token-2", 403),
        ("metrics-token-1", "Basic metrics-token-1", 403),
        ("metrics-token-1", "Bearer ", 403),
        ("", "Bearer ", 403),
        ("metrics-token-1", "Bearer Ωmega", 403),
    ],
)
def test_token_opens_metrics_only_when_it_is_the_configured_one(
    client: Client, settings: Any, configured: str, offered: str, status: int
) -> None:
    settings.METRICS_TOKEN = configured
    assert client.get("/metrics", HTTP_AUTHORIZATION=offered, **ELSEWHERE).status_code == status
