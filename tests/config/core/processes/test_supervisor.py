"""The supervisor with real processes: what it starts, how it dies, what it leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from config.core.processes.desk import listen
from config.core.processes.environment import (
    embedded_valkey,
    forget_old_counts,
    metrics_folder,
    prepare_environment,
    private_paths,
)
from config.core.processes.pulse import REPLACE
from config.core.processes.supervisor import SupervisionError, Supervisor, ending, say
from config.core.processes.valkey import LONGEST_SOCKET_PATH
from tests.config.core.processes.supervised import HERE
from tests.servers.valkey import RunningValkey

pytestmark = pytest.mark.processes
# Longer than any process takes to come or go on the busiest machine.
SECONDS = 100.0


class Supervised:
    """A supervisor started as a user would, and the processes it has written down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None

    def start(self, scenario: str, *options: str) -> subprocess.Popen[str]:
        self.process = subprocess.Popen(
            [sys.executable, "-m", HERE, scenario, str(self.folder), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self.process

    def pids(self) -> dict[str, int]:
        path = self.folder / "pids"
        rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return {name: int(pid) for name, pid in rows}

    def wait_for(self, *names: str) -> dict[str, int]:
        wait_until(lambda: set(names) <= set(self.pids()), f"{names} to start")
        return self.pids()


def wait_until(true: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.01)


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def left_of(pids: dict[str, int]) -> list[str]:
    return [name for name, pid in pids.items() if runs(pid)]


@pytest.fixture
def supervised() -> Iterator[Supervised]:
    # A short path: unix sockets allow about a hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="gd-sup-"))
    running = Supervised(folder)
    yield running
    for pid in running.pids().values():
        if runs(pid):
            os.kill(pid, signal.SIGKILL)
    if running.process:
        running.process.kill()
        running.process.wait(10)
        if running.process.stdout:
            running.process.stdout.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("start", [(), ("--spawn",)], ids=["forked", "spawned"])
def test_killed_supervisor_leaves_no_process_and_no_socket(
    supervised: Supervised, start: tuple[str, ...]
) -> None:
    process = supervised.start("desk", *start)
    pids = supervised.wait_for("supervisor", "guardian", "valkey", "child", "grandchild")
    assert left_of(pids) == list(pids)
    folder = Path((supervised.folder / "socket").read_text()).parent

    process.kill()

    wait_until(lambda: not left_of(pids), "all of them to end")
    wait_until(lambda: not folder.exists(), "the private folder to go")


def test_killed_supervisor_and_guardian_leave_no_child(supervised: Supervised) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux ends children with their parent")
    process = supervised.start("desk")
    pids = supervised.wait_for("supervisor", "guardian", "valkey", "child", "grandchild")

    os.kill(pids["guardian"], signal.SIGKILL)
    process.kill()

    del pids["grandchild"]
    wait_until(lambda: not left_of(pids), "the direct children to end")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_asked_to_stop_stops_everything_in_time(
    supervised: Supervised, number: signal.Signals
) -> None:
    process = supervised.start("desk")
    pids = supervised.wait_for("supervisor", "guardian", "valkey", "child", "grandchild")
    started = time.monotonic()

    process.send_signal(number)

    assert process.wait(10) == 0
    assert time.monotonic() - started < 5
    wait_until(lambda: not left_of(pids), "all of them to end", seconds=1)


def test_crashed_child_starts_again_and_is_said(supervised: Supervised) -> None:
    process = supervised.start("crash_once")
    supervised.wait_for("crash", "survivor")

    process.terminate()
    said, _ = process.communicate(timeout=SECONDS)

    assert "worker ended with code 1; it starts again in" in said
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("status", "said"),
    [(1, "ended with code 1"), (-9, "was ended by SIGKILL"), (REPLACE, "asked to be replaced")],
)
def test_end_is_said_in_words(status: int, said: str) -> None:
    assert ending(status) == said


def test_three_quick_crashes_stop_with_the_last_words(supervised: Supervised) -> None:
    process = supervised.start("crash")

    said, _ = process.communicate(timeout=SECONDS)

    assert process.returncode == 1
    assert "crash ended 3 times in a row (ended with code 1); its last words:" in said
    assert "RuntimeError: the last words of a crash" in said
    starts = (supervised.folder / "pids").read_text().count("crash ")
    assert starts == 3


def test_second_supervisor_of_a_folder_is_refused(supervised: Supervised) -> None:
    supervised.start("desk")
    supervised.wait_for("valkey")
    second = Supervised(supervised.folder).start("desk")

    said, _ = second.communicate(timeout=SECONDS)

    assert second.returncode == 1
    assert "another desk is running from" in said


@pytest.mark.parametrize("start", [(), ("--spawn",)], ids=["forked", "spawned"])
def test_child_adopts_its_role_and_the_waiting_times_of_its_database(
    supervised: Supervised, start: tuple[str, ...]
) -> None:
    process = supervised.start("role", *start)

    said, _ = process.communicate(timeout=SECONDS)

    assert process.returncode == 0, said
    role, timeout = (supervised.folder / "role").read_text().split()
    assert role == "web"
    assert float(timeout) == 2


def test_taken_port_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SupervisionError) as refused:
            listen("127.0.0.1", port)
    assert str(refused.value) == f"port {port} of 127.0.0.1: address already in use."


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_impossible_port_is_refused(port: int) -> None:
    with pytest.raises(SupervisionError, match=f"port {port} is invalid"):
        listen("127.0.0.1", port)


def test_held_output_comes_after_the_line_that_was_being_written(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    process = SimpleNamespace(log=None)
    supervisor = Supervisor(data=tmp_path, echo=True)
    with supervisor.output_held():
        say("Loading…")
        supervisor._pass_on(process, b"first\n")  # type: ignore[arg-type]
        say("done")
    supervisor._pass_on(process, b"second\n")  # type: ignore[arg-type]
    assert capfdbinary.readouterr().out.decode() == "Loading…\ndone\nfirst\nsecond\n"


def test_what_others_stand_on_speaks_to_its_file_alone(supervised: Supervised) -> None:
    process = supervised.start("echo")

    said, _ = process.communicate(timeout=SECONDS)

    assert process.returncode == 0, said
    assert "the worker speaks" in said
    assert "the foundation speaks" not in said
    log = supervised.folder / "logs" / "foundation.log"
    assert log.read_text() == "the foundation speaks\n"


def test_embedded_valkey_is_private_and_never_evicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {})
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(tmp_path / ("long" * 30)))
        prepare_environment({})
    with embedded_valkey(tmp_path) as server:
        assert server is not None
        folder = server.socket.parent
        assert server.url() == os.environ["REDIS_URL"]
        assert len(str(server.socket)) <= LONGEST_SOCKET_PATH
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        options = " ".join(server.command())
        assert "--maxmemory-policy noeviction" in options
        assert "--appendonly yes" in options
        running = RunningValkey(server.socket)
        assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
        running.stop()
    assert not folder.exists()


def test_processes_count_in_a_private_folder_that_goes_with_the_desk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "environ", {"REDIS_URL": "redis://configured:6379/0"})
    prepare_environment({})
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    assert private_paths(None) == (folder,)
    with metrics_folder():
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "histogram_1.db").touch()
    assert not folder.exists()


def test_metrics_folder_that_was_named_loses_old_counts_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "metrics"
    monkeypatch.setattr(
        os, "environ", {"REDIS_URL": "redis://x", "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    )
    prepare_environment({})
    assert private_paths(None) == ()
    with metrics_folder():
        for name in ("histogram_12.db", "counter_7.db", "book.db"):
            (folder / name).touch()
        forget_old_counts()
    assert [path.name for path in folder.iterdir()] == ["book.db"]


def test_configured_redis_is_used_and_none_is_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {"REDIS_URL": "redis://configured:6379/0"})
    prepare_environment({})
    assert os.environ["REDIS_URL"] == "redis://configured:6379/0"
    with embedded_valkey(tmp_path) as server:
        assert server is None
