"""A row's home: its own data folder and Valkey, and processes that see only these."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from config.core.processes.environment import ONE_THREAD
from config.core.processes.lifeline import die_with_parent
from tests.benchmarks.client import Connection
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.rounds import Row
from tests.servers.valkey import RunningValkey

ROOT = Path(__file__).resolve().parents[2]
Environment = Mapping[str, str]
# What the surrounding shell may say and a benchmark must not hear.
_OTHERS = frozenset(
    {
        *("DATABASE_URL", "REDIS_URL", "CACHE_URL", "VAR_DIR", "DEMO", "MARKET_CLOCK"),
        *("DJANGO_SETTINGS_MODULE", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"),
    }
)
_LONGEST_SECONDS = 900


def ordinary_environment() -> dict[str, str]:
    """Return the environment without any configuration."""
    return {name: value for name, value in os.environ.items() if name not in _OTHERS}


@contextmanager
def home(**settings: str) -> Iterator[dict[str, str]]:
    """The environment of an empty desk, used by nothing else."""
    with tempfile.TemporaryDirectory(prefix="gd-bench-") as folder:
        valkey = RunningValkey(Path(folder) / "valkey.sock")
        try:
            yield {
                **ordinary_environment(),
                **dict.fromkeys(ONE_THREAD, "1"),
                "DJANGO_SETTINGS_MODULE": "config.settings.local",
                "VAR_DIR": folder,
                "REDIS_URL": valkey.url,
                "CACHE_URL": valkey.url,
                "LOG_LEVEL": "ERROR",
                **settings,
            }
        finally:
            valkey.stop()


def in_django(function: str, environment: Environment, options: Options) -> list[Row]:
    """Run ``package.module:function`` in a process that has loaded Django and migrated.

    The function takes the options and returns rows. Raises ``NotMeasured`` with its last words.
    """
    answer = Path(environment["VAR_DIR"]) / "rows.json"
    arguments = [function, str(answer), json.dumps(asdict(options))]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.child", *arguments],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotMeasured(f"{function} took more than {_LONGEST_SECONDS} s") from None
    if done.returncode:
        # A process that was killed says nothing.
        said = f"{done.stdout.strip()[-2000:]} (exit code {done.returncode})"
        raise NotMeasured(f"{function}: {said}")
    return [Row(**row) for row in json.loads(answer.read_text())]


@dataclass(frozen=True, slots=True)
class WebProcess:
    """A running web server; ``pid`` is its process."""

    pid: int
    port: int

    def connect(self, *, cookie: str = "", at_django: bool = False) -> Connection:
        return Connection(self.port, cookie=cookie, at_django=at_django)


@contextmanager
def web_process(
    environment: Environment, *, application: str = "config.asgi:application"
) -> Iterator[WebProcess]:
    """The desk's own web process, as the supervisor starts it, on a free port of loopback.

    ``application`` may name another ASGI application, to be served in exactly the same way.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    parent = os.getpid()
    options = {"application": application, "descriptor": listener.fileno()}
    target = ("web", "config.core.processes.targets:serve_web", json.dumps(options))
    log = Path(environment["VAR_DIR"]) / f"web-{listener.fileno()}.log"
    with listener, log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "config.core.processes.child", *target],
            cwd=ROOT,
            env=dict(environment) | {"PROCESS_ROLE": "web"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(listener.fileno(),),
            preexec_fn=lambda: die_with_parent(parent, signal.SIGTERM),
        )
        try:
            web = WebProcess(process.pid, listener.getsockname()[1])
            _wait(web, process, log)
            yield web
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(web: WebProcess, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for the first answer: the socket listens already, so that one request waits for it."""
    deadline = time.monotonic() + 60
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotMeasured(f"the web process: {log.read_text(errors='replace')[-2000:]}")
        try:
            with web.connect() as connection:
                connection.get("/health")
        except OSError:
            time.sleep(0.1)
        else:
            return
