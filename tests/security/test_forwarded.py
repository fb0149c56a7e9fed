"""Forwarding headers count only if a trusted proxy sends them."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.architecture.source import ROOT
from tests.config.settings.test_production import GOOD

SERVE = (
    "import sys, django; django.setup();"
    "from config.core.processes.targets import serve_web;"
    "serve_web(application='config.asgi:application', descriptor=int(sys.argv[1]))"
)
SECONDS = 60


@contextmanager
def production(**changed: str) -> Iterator[int]:
    """Serve the web process with production's settings; yields the port."""
    kept = {"PATH": os.environ["PATH"], "VAR_DIR": os.environ["VAR_DIR"]}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(listener.fileno())],
            cwd=ROOT,
            env=kept | GOOD | changed,
            pass_fds=(listener.fileno(),),
        )
        try:
            yield listener.getsockname()[1]
        finally:
            process.terminate()
            process.wait(SECONDS)


def status(port: int, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", "/api/schema", headers={"Host": "desk.example.org"} | sent)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(("proxies", "answered"), [("", 301), ("127.0.0.1", 401)])
def test_scheme_is_believed_from_a_trusted_proxy_only(proxies: str, answered: int) -> None:
    with production(TRUSTED_PROXIES=proxies) as port:
        assert status(port) == 301
        assert status(port, X_Forwarded_Proto="https") == answered
        assert status(port, X_Forwarded_Proto="http") == 301
