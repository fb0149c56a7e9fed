"""A process that runs by itself ends when it is stuck, drains on TERM, and says that it is well."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django_celery_beat.schedulers import DatabaseScheduler

from config.celery import app
from config.core.background.scheduler import DeskScheduler
from config.core.processes import alive
from config.core.processes.environment import free_port
from config.core.processes.pulse import send_pulse, stop_watching, watch_alone
from tests.architecture.source import ROOT
from tests.config.settings.test_production import GOOD
from tests.faults.test_metrics_scraped import TOKEN, scrape
from tests.faults.test_watched_worker import lines, wait_until
from tests.faults.watched_worker import HERE, TASK
from tests.servers.valkey import RunningValkey

# For a machine on which everything else runs at the same time.
SECONDS = 100
# A thread that holds the interpreter's lock for ever lets no other thread run.
STUCK = """
import ctypes, sys
from pathlib import Path
from config.core.processes.pulse import send_pulse, watch_alone
watch_alone(Path(sys.argv[1], "worker.pulse"), seconds=0.5)
send_pulse()
ctypes.PyDLL(None).sleep(60)
"""


def run_script(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
    )


@pytest.mark.processes
def test_process_that_is_stuck_ends_and_says_where(tmp_path: Path) -> None:
    done = run_script(STUCK, tmp_path)
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert "<module>" in done.stderr


@pytest.mark.processes
def test_worker_finishes_what_it_has_in_hand(tmp_path: Path, valkey: RunningValkey) -> None:
    """TERM ends it when its task is done: the task waits until it was asked to end."""
    marks = tmp_path / "marks"
    with subprocess.Popen(
        [sys.executable, "-m", HERE, str(tmp_path), "--alone"],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
    ) as process:
        app.send_task(TASK, kwargs={"number": -1})
        wait_until((tmp_path / "begun").exists, seconds=100)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        assert lines(marks) == []
        (tmp_path / "go").touch()
        assert process.wait(SECONDS) == 0
    assert lines(marks) == [-1]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    return tmp_path


def test_silent_process_is_not_well(data: Path) -> None:
    assert alive.problem("beat") == "beat has done nothing yet."
    pulse = data / "beat.pulse"
    pulse.touch()
    assert alive.problem("beat") == ""
    assert alive.problem("streams") == "streams has done nothing yet."
    os.utime(pulse, (time.time() - 90, time.time() - 90))
    assert alive.problem("beat") == "beat has done nothing for 90 s."


def test_check_ends_with_what_it_found(data: Path) -> None:
    command = [sys.executable, alive.__file__, "beat"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "beat has done nothing yet.\n")
    (data / "beat.pulse").touch()
    assert subprocess.run(command, check=False).returncode == 0


def test_web_that_does_not_answer_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "desk.example.org,other.example.org")
    said = alive.problem("web", free_port())
    assert said.startswith("/health does not answer")


def test_pulse_without_a_watch_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    send_pulse()
    assert list(tmp_path.iterdir()) == []


def test_beat_says_that_it_is_well_when_it_has_sent_what_is_due(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulse = data / "beat.pulse"
    monkeypatch.setattr(DatabaseScheduler, "tick", lambda _scheduler: 0.5)
    watch_alone(pulse, seconds=600)
    try:
        assert not pulse.exists()
        assert DeskScheduler(app=app, lazy=True).tick() == 0.5
        assert pulse.exists()
    finally:
        stop_watching()


@pytest.mark.processes
@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", ["worker", "streams"])
def test_process_without_web_pulses_is_scraped_and_ends(
    role: str, tmp_path: Path, valkey: RunningValkey
) -> None:
    port = free_port()
    data = tmp_path / "new" / "var"
    environment = {"PATH": os.environ["PATH"]} | GOOD
    environment |= {"DJANGO_SETTINGS_MODULE": "config.settings.local", "VAR_DIR": str(data)}
    environment |= {"DATABASE_URL": f"sqlite:///{tmp_path / 'none'}", "REDIS_URL": valkey.url}
    environment |= {"METRICS_PORT": str(port), "METRICS_HOST": "127.0.0.1", "METRICS_TOKEN": TOKEN}
    command = [sys.executable, "manage.py", "run_process", role]
    said = tmp_path / "log"
    with (
        said.open("wb") as log,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            wait_until((data / f"{role}.pulse").exists, seconds=200)
            assert scrape(port)[0] == 200
            assert scrape(port, token="wrong")[0] == 401
        finally:
            process.terminate()
            code = process.wait(60)
    assert code == 0, said.read_text()
