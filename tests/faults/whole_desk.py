"""The demo's whole desk with people at it: pages asked, websockets open, syncs running."""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Origin

from config.core.processes.environment import free_port
from config.core.redis.client import key
from portfolio.updates.statistics import HEARTBEAT
from tests.benchmarks.desk import running_desk
from tests.benchmarks.home import ROOT, ordinary_environment
from tests.benchmarks.memory_sockets import _log_in
from tests.benchmarks.processes import children, name_of

#: Pages and bodies that a person asks for, in turn.
PATHS = ("/", "/api/portfolio/risk-monitor/fast", "/market/data", "/health", "/accounts/login")
OPEN_PAGES = 5
#: Longest that a killed process may take, on a busy machine.
LONGEST_SECONDS = 90.0
#: What says that a process works, by its name in ``ps``.
HEARTBEATS = {"desk-worker": "worker", "desk-beat": "beat", "desk-streams": HEARTBEAT}


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` 0: no answer, because nobody listens."""

    path: str
    at: float
    seconds: float
    status: int


@dataclass
class Visitors:
    """People at the desk: one asks page after page, others hold a websocket each."""

    port: int
    cookie: str
    answers: list[Answer] = field(default_factory=list)
    #: Versions held where a frame followed another one: (held, the frame's previous one).
    gaps: list[tuple[int | None, int]] = field(default_factory=list)
    frames: int = 0
    connections: int = 0

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        targets = [self._ask, *[self._watch] * OPEN_PAGES]
        self._threads = [threading.Thread(target=target, daemon=True) for target in targets]

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(30)

    def get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(
                "GET", path, headers={"Cookie": self.cookie, "Accept": "text/html, */*"}
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _ask(self) -> None:
        number = 0
        while not self._ended.wait(0.1):
            path = PATHS[number % len(PATHS)]
            number += 1
            begun = time.monotonic()
            try:
                status = self.get(path)[0]
            except (OSError, http.client.HTTPException):
                status = 0
            self.answers.append(Answer(path, begun, time.monotonic() - begun, status))

    def _watch(self) -> None:
        """Hold a websocket, as a page does: a new one after each that ends."""
        address = f"ws://127.0.0.1:{self.port}"
        while not self._ended.is_set():
            with (
                suppress(OSError, WebSocketException, EOFError),
                connect(
                    f"{address}/ws/portfolio",
                    additional_headers={"Cookie": self.cookie},
                    origin=Origin(f"http://127.0.0.1:{self.port}"),
                    max_size=None,
                ) as socket,
            ):
                self.connections += 1
                self._follow(socket)
            self._ended.wait(1.0)

    def _follow(self, socket: Any) -> None:
        held: int | None = None
        while not self._ended.is_set():
            try:
                frame = json.loads(socket.recv(1.0))
            except TimeoutError:
                continue
            self.frames += 1
            if frame["type"] == "portfolio.snapshot":
                held = frame["version"]
            elif frame["type"] == "portfolio.changed":
                if frame["previous_version"] != held:
                    self.gaps.append((held, frame["previous_version"]))
                held = frame["version"]


class WholeDesk:
    """``pid`` is the supervisor's; ``port`` the web's."""

    def __init__(self, pid: int, port: int, folder: Path) -> None:
        self.pid = pid
        self.port = port
        self.folder = folder
        self.redis = Redis.from_url((folder / "redis_url").read_text().strip(), socket_timeout=1)
        self.visitors = Visitors(port, _log_in(port))

    def process(self, name: str) -> int | None:
        """Return the process with this beginning of its name."""
        for child in children(self.pid):
            with suppress(Exception):
                if name_of(child).startswith(name):
                    return child
        return None

    def kill(self, name: str) -> float:
        """Kill it; return the seconds until its successor has worked."""
        pid = self.process(name)
        assert pid is not None, f"no {name}"
        # Heartbeats are wall-clock times.
        killed_at, begun = time.time(), time.monotonic()
        os.kill(pid, signal.SIGKILL)
        if name in HEARTBEATS:
            wait_until(lambda: self.last_heartbeat(HEARTBEATS[name]) > killed_at, name)
        else:
            wait_until(lambda: self.process(name) not in (None, pid), name)
            self.wait_for_page()
        return time.monotonic() - begun

    def last_heartbeat(self, name: str) -> float:
        try:
            return float(self.redis.get(key("heartbeat", name)) or 0)
        except RedisError:
            return 0.0

    def wait_for_page(self) -> None:
        wait_until(lambda: self._status("/") == 200, "the risk monitor")

    def wait_for_work(self) -> float:
        """Return the seconds until the worker has worked and the risk monitor is shown."""
        at, begun = time.time(), time.monotonic()
        wait_until(lambda: self.last_heartbeat("worker") > at, "the worker")
        self.wait_for_page()
        return time.monotonic() - begun

    def wait_for_new_book(self) -> float:
        """Return the seconds until pages show a newer version of the book."""
        begun = time.monotonic()
        before = self.version()
        wait_until(lambda: self.version() > before, "a newer book")
        return time.monotonic() - begun

    def version(self) -> int:
        try:
            status, body = self.visitors.get("/api/portfolio/risk-monitor/fast")
        except (OSError, http.client.HTTPException):
            return 0
        return int(json.loads(body)["version"]) if status == 200 else 0

    def _status(self, path: str) -> int:
        try:
            return self.visitors.get(path)[0]
        except (OSError, http.client.HTTPException):
            return 0


def wait_until(holds: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + LONGEST_SECONDS
    while not holds():
        assert time.monotonic() < ends, f"{what} did not come back"
        time.sleep(0.1)


@contextmanager
def whole_desk(**settings: str) -> Iterator[WholeDesk]:
    """The demo under its supervisor, with visitors; its log is shown when the block fails."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gd-desk-")))
        port = free_port()
        environment = ordinary_environment() | {"VAR_DIR": str(folder)} | settings
        command = [sys.executable, str(ROOT / "manage.py"), "demo", "--port", str(port)]
        started = running_desk(
            command, folder=folder, port=port, environment=environment, longest=240
        )
        pid, _ = stack.enter_context(started)
        try:
            desk = WholeDesk(pid, port, folder)
            wait_until(lambda: desk.version() > 0, "a first book")
            desk.wait_for_work()
            stack.enter_context(desk.visitors)
            wait_until(lambda: desk.visitors.connections == OPEN_PAGES, "open pages")
            yield desk
        except BaseException:
            sys.stderr.write((folder / "desk.log").read_text(errors="replace")[-3000:])
            raise


def seconds_of(answers: list[Answer]) -> str:
    """Return quantiles of the answers' times and how many had which status."""
    times = sorted(answer.seconds for answer in answers if answer.status)
    statuses: dict[int, int] = {}
    for answer in answers:
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
    p50, p99 = (times[int((len(times) - 1) * share)] * 1000 for share in (0.5, 0.99))
    return f"{len(times)} answers, p50 {p50:.0f} ms, p99 {p99:.0f} ms, {statuses}"
