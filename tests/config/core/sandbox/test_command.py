"""``manage.py sandbox`` as a separate process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.processes


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "sandbox", *arguments],
        cwd=Path(__file__).resolve().parents[4],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_sandbox_prints_its_addresses_serves_and_stops_cleanly(stop: signal.Signals) -> None:
    with running("--json", "--seed", "3", "--sessions") as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        address = said["servers"]["ibkr_portal"]
        assert address.startswith("http://127.0.0.1:")
        assert said["market_clock"] == ""
        answer = httpx.get(f"{address}/iserver/auth/status", trust_env=False, timeout=20)
        assert answer.json()["authenticated"] is True
        process.send_signal(stop)
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--host", "0.0.0.0"], "loopback"),  # noqa: S104
        (["--chain", "missing.json"], "missing.json"),
        (["--recorded", "ibkr_portal"], "SERVER=FOLDER"),
        (["--recorded", "nobody=."], "nobody"),
        (["--recorded", "ibkr_portal=/no/such/folder"], "/no/such/folder"),
        (["--listen", "ibkr_socket=many"], "--listen: 'many' is not a port"),
        (["--listen", "ibkr_socket"], "NAME=PORT"),
        (["--listen", "nobody=4001"], "nobody"),
        (["--port", "65536"], "--port: '65536' is not a port"),
    ],
)
def test_impossible_argument_is_one_clear_line(arguments: list[str], named: str) -> None:
    with pytest.raises(CommandError, match=named):
        call_command("sandbox", *arguments)


def test_broken_chain_file_is_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "chain.json"
    file.write_text('{"half": ')
    with pytest.raises(CommandError, match="chain"):
        call_command("sandbox", "--chain", str(file))
