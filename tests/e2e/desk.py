"""A real desk for the browser: web, worker, Valkey and sandbox, each as `make run` has them.

Only the scheduler is missing: a test decides when a sync happens. The sandbox runs in the test's
process, so that a test scripts its faults and steps its market; web and worker are processes of
their own that meet in a database file and a Valkey.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis

from config.core.processes.environment import ONE_THREAD
from config.core.processes.lifeline import die_with_parent
from config.core.redis.client import key
from config.core.sandbox.server import Sandbox, open_market
from greeks.domain import InstrumentKind
from tests.migrated_template import copy_template
from tests.servers.valkey import RunningValkey

ROOT = Path(__file__).resolve().parents[2]
SEED = 7
TARGETS = "config.core.processes.targets"
START_SECONDS = 60.0
# What the surrounding shell may say and this desk must not hear.
OTHERS = ("DATABASE_URL", "CACHE_URL", "MARKET_CLOCK", "SECRET_KEY", "ALLOWED_HOSTS")


class Desk:
    """``folder`` holds its data; ``static`` is shared by the desks of one test run."""

    #: What a new database gets beside its tables.
    steps: Sequence[list[Any]] = (
        ["portfolio.demo.seed.prepare_demo", {"seed": SEED, "chain": ""}],
    )

    #: How long its preparation may take.
    prepare_seconds = START_SECONDS * 2

    def __init__(self, folder: Path, *, static: Path) -> None:
        self.folder = folder
        self._static = static
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def held(self) -> list[InstrumentKind]:
        """The kind of each position that the simulated accounts hold."""
        return [
            position.contract.kind
            for account in self.sandbox.books.accounts()
            for position in account.positions()
        ]

    @property
    def legs_in_scenarios(self) -> int:
        """Return how many positions a model values: no event contract."""
        return sum(kind is not InstrumentKind.EVENT for kind in self.held)

    def start(self) -> None:
        self.sandbox = Sandbox(market=open_market(seed=SEED)).start()
        # A path that is short wherever the data lies.
        self._sockets = Path(tempfile.mkdtemp(prefix="gd-e2e-"))
        self._valkey = RunningValkey(self._sockets / "valkey.sock")
        self._prepare()
        self.start_web()
        self._start("worker", f"{TARGETS}:run_worker", {"celery": "config.celery.app"})

    def stop(self) -> None:
        for name in list(self._processes):
            self._stop(name)
        self._valkey.stop()
        shutil.rmtree(self._sockets, ignore_errors=True)
        self.sandbox.stop()

    def start_web(self) -> None:
        """Serve at the address of before; returns when a page comes."""
        with socket.create_server(("127.0.0.1", self.port), backlog=128) as listener:
            options = {
                "application": "config.asgi:application",
                "descriptor": listener.fileno(),
            }
            self._start("web", f"{TARGETS}:serve_web", options, inherited=(listener.fileno(),))
        self._wait_for_page()

    def stop_web(self) -> None:
        self._stop("web")

    def check(self) -> None:
        """Raise with the last output of a process that ended by itself."""
        for role, process in self._processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{role} ended: {self._last_words(role)}")

    def forgive(self) -> None:
        """Close the breakers and end the pauses that a test's faults left to the next one."""
        with redis.Redis.from_url(self._valkey.url) as client:
            for pattern in (key("breaker", "*"), key("pause", "*")):
                for name in client.scan_iter(pattern):
                    client.delete(name)

    def forget_the_book(self) -> None:
        """Start over with accounts that were never synced; users and log-ins stay."""
        (self.folder / "demo_source").unlink()
        self._run(list(self.steps))

    def manage(self, command: str) -> None:
        """Run a management command in another process; raise if it fails."""
        self._run([["django.core.management.call_command", {"command_name": command}]])

    def total_portfolio(self, portfolio_id: int) -> None:
        """Total a portfolio in another process, as the loop of the streams process does."""
        self._run(
            [["portfolio.updates.calculation.recalculate", {"portfolio_ids": [portfolio_id]}]]
        )

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in OTHERS}
        return {
            **inherited,
            **dict.fromkeys(ONE_THREAD, "1"),
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
            "VAR_DIR": str(self.folder),
            "REDIS_URL": self._valkey.url,
            "DEMO": "1",
            "WEBSOCKET_ORIGINS": self.url,
            "IBKR_PORTAL_URL": self.sandbox.url("ibkr_portal"),
            # The sandbox enforces no limits here, so that syncs may follow each other closely.
            "IBKR_PORTAL_CALLS_PER_SECOND": "0",
            "IBKR_PORTAL_ENDPOINT_SECONDS": "0",
            "TASTYTRADE_URL": self.sandbox.url("tastytrade"),
            "TASTYTRADE_CLIENT_SECRET": "simulated-client-secret",
            "TASTYTRADE_REFRESH_TOKEN": "simulated-refresh-token",
            # The simulated brokers run beside the tests, on what may be a busy machine.
            "PROVIDER_TIMEOUT_SECONDS": "20",
            # Background refreshes would move numbers that a test means to move itself.
            "GREEKS_MINIMUM_AGE_SECONDS": "3600",
            "STALE_AFTER_SECONDS": "3600",
        }

    def _prepare(self) -> None:
        """Database, static files, demo accounts. The static files are compressed once for all."""
        self._static.mkdir(exist_ok=True)
        for name in ("static", "static.stamp"):
            (self.folder / name).symlink_to(self._static / name)
        (self._static / "static").mkdir(exist_ok=True)
        self._begin_database()
        with (self._static / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._run(
                [
                    [f"{TARGETS}.migrate_database", {}],
                    [f"{TARGETS}.collect_static_files", {}],
                    *self.steps,
                ]
            )

    def _begin_database(self) -> None:
        """Save the run's desks most of the migrating."""
        copy_template(self.folder / "greekdesk.sqlite3")

    def _run(self, steps: list[list[Any]]) -> None:
        """Run functions by dotted path and keyword arguments in the hand; raise as they do."""
        if "hand" not in self._processes:
            self._spawn("hand", "tests.e2e.hand", asked=True)
        hand = self._processes["hand"]
        assert hand.stdin
        assert hand.stdout
        hand.stdin.write(json.dumps(steps).encode() + b"\n")
        hand.stdin.flush()
        answered, _, _ = select.select([hand.stdout], [], [], self.prepare_seconds)
        answer = hand.stdout.readline() if answered else b""
        if not answer:
            raise RuntimeError(f"hand: {self._last_words('hand')}")
        if raised := json.loads(answer):
            raise RuntimeError(f"hand: {raised}")

    def _start(
        self,
        role: str,
        target: str,
        options: Mapping[str, Any],
        *,
        inherited: tuple[int, ...] = (),
    ) -> None:
        arguments = (role, target, json.dumps(options))
        self._spawn(role, "config.core.processes.child", *arguments, inherited=inherited)

    def _spawn(
        self, role: str, *command: str, asked: bool = False, inherited: tuple[int, ...] = ()
    ) -> None:
        """Start a module. ``asked``: through its standard input, answering on its output."""
        parent = os.getpid()
        with (self.folder / f"{role}.log").open("ab") as log:
            self._processes[role] = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env=self._environment() | {"PROCESS_ROLE": "web" if role == "web" else "job"},
                stdin=subprocess.PIPE if asked else subprocess.DEVNULL,
                stdout=subprocess.PIPE if asked else log,
                stderr=log,
                pass_fds=inherited,
                preexec_fn=lambda: die_with_parent(parent, signal.SIGTERM),
            )

    def _stop(self, role: str) -> None:
        process = self._processes.pop(role)
        process.terminate()
        try:
            process.communicate(timeout=10)  # which closes its pipes
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _last_words(self, role: str) -> str:
        return (self.folder / f"{role}.log").read_text(errors="replace")[-2000:]

    def _wait_for_page(self) -> None:
        """The socket listens already: one request waits for the process behind it."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
            try:
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            except (OSError, http.client.HTTPException):
                if self._processes["web"].poll() is not None:
                    break
            finally:
                connection.close()
        raise RuntimeError(f"no page came: {self._last_words('web')}")


AnyDesk = TypeVar("AnyDesk", bound=Desk)


@contextmanager
def running(kind: type[AnyDesk], folders: pytest.TempPathFactory) -> Iterator[AnyDesk]:
    """A desk in its own folder; static files are collected once for the whole run."""
    shared = folders.getbasetemp()
    if shared.name.startswith("popen-"):  # a parallel worker: one level up is the whole run's
        shared = shared.parent
    desk = kind(folders.mktemp("desk"), static=shared / "static")
    try:
        desk.start()
        yield desk
    finally:
        desk.stop()
