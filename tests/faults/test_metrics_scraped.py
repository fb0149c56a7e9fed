"""Prometheus reads every process as the deployment guide says: by address, without TLS."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from config.core.serving.metrics import metrics_server
from tests.security.test_forwarded import production

TOKEN = "token-of-the-metrics"


def scrape(port: int, *, token: str | None = TOKEN, path: str = "/metrics") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Host": "web:8000"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.processes
def test_production_web_process_is_scraped_by_its_container_name(tmp_path: Path) -> None:
    with production(METRICS_TOKEN=TOKEN) as port:
        status, body = scrape(port)
        assert status == 200
        assert b"greekdesk_request_seconds" in body
        assert scrape(port, token="wrong")[0] in (301, 400)
        assert scrape(port, token=None)[0] in (301, 400)


@pytest.fixture
def port(settings: Settings) -> Iterator[int]:
    settings.METRICS_TOKEN = TOKEN
    server = metrics_server("127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_port_of_the_others_is_scraped_with_the_token_only(port: int, settings: Settings) -> None:
    status, body = scrape(port)
    assert status == 200
    assert b"greekdesk_provider_call_seconds" in body
    assert scrape(port, path="/")[0] == 404
    assert scrape(port, token="wrong")[0] == scrape(port, token=None)[0] == 401
    settings.METRICS_TOKEN = ""
    assert scrape(port, token="")[0] == 401
