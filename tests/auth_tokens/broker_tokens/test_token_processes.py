"""Several processes and one token: real processes, a real database, real deaths."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import psutil
import pytest
import time_machine
from django.db import connection

from auth_tokens.broker_tokens.claims import LEASE_SECONDS
from auth_tokens.broker_tokens.manager import get_token
from auth_tokens.models import BrokerToken, TokenEvent
from config.core.clock import now
from tests.architecture.source import ROOT
from tests.auth_tokens.sources import PROVIDER, ScriptedSource

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


def start(*work: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.auth_tokens.renewing_process"),
            *(str(connection.settings_dict["NAME"]), *work),
        ],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line(process: subprocess.Popen[str], wanted: str) -> None:
    """Read what the process prints until the wanted line."""
    assert process.stdout is not None
    for said in process.stdout:
        if said.strip() == wanted:
            return
    raise AssertionError(f"the process ended without saying {wanted}")


def test_fifty_threads_of_two_processes_make_one_log_in(source: ScriptedSource) -> None:
    processes = [start("renew", "25") for _ in range(2)]
    for process in processes:
        line(process, "ready")
    told: list[dict[str, Any]] = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        out, _ = process.communicate(timeout=60)
        told.append(json.loads(out.strip().splitlines()[-1]))

    assert [each["got"] for each in told] == [["token-1"], ["token-1"]]
    assert sum(each["obtained"] for each in told) == 1
    assert TokenEvent.objects.filter(event="log_in.started").count() == 1


def test_process_killed_while_renewing_leaves_nothing_stuck(source: ScriptedSource) -> None:
    process = start("hang")
    line(process, "renewing")
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert BrokerToken.objects.get(provider=PROVIDER).renewing_until is not None

    with time_machine.travel(now().timestamp() + LEASE_SECONDS + 1, tick=True):
        assert get_token(PROVIDER) == "token-1"

    # The dead one's try counts as one: it may have typed something.
    assert TokenEvent.objects.filter(event="log_in.started").count() == 2


@pytest.mark.browser
def test_killed_process_leaves_no_browser(source: ScriptedSource) -> None:
    process = start("browser")
    line(process, "renewing")
    below = psutil.Process(process.pid).children(recursive=True)
    assert any("chrom" in child.name() for child in below)

    process.send_signal(signal.SIGKILL)
    process.wait(10)

    _, alive = psutil.wait_procs(below, timeout=10)
    assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []
