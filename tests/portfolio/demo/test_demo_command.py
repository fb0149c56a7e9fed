"""The whole desk by one command, with real processes: it serves, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest

from config.core.processes.environment import free_port

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]


class RunningDesk:
    """``manage.py demo`` on a free port, with its own data folder."""

    def __init__(self, folder: Path, *, port: int) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        inherited = ("REDIS_URL", "CACHE_URL", "DATABASE_URL", "DJANGO_SETTINGS_MODULE")
        environment = {k: v for k, v in os.environ.items() if k not in inherited}
        self.output = folder / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "demo", "--port", str(port)],
                cwd=ROOT,
                env=environment | {"VAR_DIR": str(folder / "var")},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, true: Callable[[], bool], what: str, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, f"waited for {what}:\n{self.said()}"
            time.sleep(0.05)

    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


def left_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    def runs(process: psutil.Process) -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return [process for process in processes if runs(process)]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # One folder for the module: the static files are collected once.
    path = Path(tempfile.mkdtemp(prefix="gd-desk-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def desk(folder: Path) -> Iterator[RunningDesk]:
    running = RunningDesk(folder, port=free_port())
    yield running
    if running.process.poll() is None:
        running.process.kill()
    running.process.wait(10)


def logged_in(url: str) -> httpx.Client:
    client = httpx.Client(base_url=url, timeout=30, headers={"Referer": f"{url}/accounts/login"})
    page = client.get("/accounts/login").text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token, page
    form = {"username": "demo", "password": "demo", "csrfmiddlewaretoken": token.group(1)}
    assert client.post("/accounts/login", data=form).status_code == 302
    return client


def test_demo_serves_a_synced_book_and_stops_when_asked(desk: RunningDesk) -> None:
    desk.wait_for(lambda: "Log in as  demo / demo" in desk.said(), "the address")
    assert desk.url in desk.said()
    processes = desk.processes()
    with closing(logged_in(desk.url)) as client:

        def book() -> dict[str, object]:
            answer = client.get("/api/portfolio/risk-monitor/fast")
            assert answer.status_code == 200, answer.text
            return dict(answer.json())

        desk.wait_for(lambda: bool(book()["positions"]), "the first sync")
        assert book()["simulated"] is True

    desk.process.send_signal(signal.SIGINT)

    assert desk.process.wait(10) == 0, desk.said()
    assert left_of(processes) == []


def test_killed_demo_leaves_no_process_behind(desk: RunningDesk) -> None:
    desk.wait_for(lambda: "Ready after" in desk.said(), "the desk")
    processes = desk.processes()
    assert len(processes) >= 6  # valkey, sandbox, web, worker, beat, guardian

    desk.process.kill()

    deadline = time.monotonic() + 10
    while left := left_of(processes):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_taken_port_is_one_line_and_an_exit_code(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        desk = RunningDesk(folder, port=taken.getsockname()[1])
        assert desk.process.wait(60) == 1
    assert desk.said().count("\n") == 1
    assert "address already in use" in desk.said()
