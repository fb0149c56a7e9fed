"""Prepare the environment before Django loads, since settings are read once. For ``manage.py``.

Standard library only. Every process inherits the environment.
"""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from config.core.processes.guard import remove
from config.core.processes.valkey import LONGEST_SOCKET_PATH, EmbeddedValkey

PREPARED = "GREEKDESK_PREPARED"
VALKEY_SOCKET = "GREEKDESK_VALKEY_SOCKET"
# Read by the metrics library on import: the folder where several processes share counts.
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
METRICS_PREFIX = "greekdesk-metrics-"
# BLAS threads break fork and cost memory; a book is small.
ONE_THREAD = tuple(f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL"))


def is_prepared() -> bool:
    """Return whether ``manage.py`` started this process with everything prepared."""
    return bool(os.environ.get(PREPARED))


def prepare_environment(environment: Mapping[str, str]) -> None:
    """Set what a supervised desk needs; without ``REDIS_URL``, also its own Valkey's address."""
    os.environ.update(environment)
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    os.environ[PREPARED] = "1"
    # Celery runs Django's checks and drops what they say; they would load every page into worker
    # and beat. `make check` runs them.
    os.environ["CELERY_SKIP_CHECKS"] = "1"
    if not os.environ.get("REDIS_URL"):
        path = _new_socket_path()
        os.environ[VALKEY_SOCKET] = str(path)
        os.environ["REDIS_URL"] = EmbeddedValkey(socket=path, data=path.parent).url()

    if not os.environ.get(METRICS_FOLDER):
        folder = METRICS_PREFIX + secrets.token_hex(6)
        os.environ[METRICS_FOLDER] = str(Path(tempfile.gettempdir()) / folder)


def prepare_alone() -> None:
    """Set what a process without a supervisor needs: it counts its metrics by itself."""
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    os.environ.pop(METRICS_FOLDER, None)


def _new_socket_path() -> Path:
    """Return a path in a folder that does not exist yet, short enough for a unix socket."""
    name = f"greekdesk-{secrets.token_hex(6)}/valkey.sock"
    path = Path(tempfile.gettempdir()) / name
    return path if len(str(path)) <= LONGEST_SOCKET_PATH else Path("/tmp") / name  # noqa: S108


def free_port() -> int:
    """Return a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def embedded_valkey(data: Path) -> Iterator[EmbeddedValkey | None]:
    """Yield this desk's embedded server, if any, and remove its private folder afterwards."""
    path = os.environ.get(VALKEY_SOCKET, "")
    if not path:
        yield None
        return
    valkey = EmbeddedValkey(socket=Path(path), data=data / "valkey")
    # Must be new: an existing folder of that name is someone else's.
    valkey.socket.parent.mkdir(mode=0o700)
    try:
        yield valkey
    finally:
        remove([str(valkey.socket.parent)])


@contextmanager
def metrics_folder() -> Iterator[None]:
    """Provide the folder where all processes of this desk count, so each can report the total."""
    folder = Path(os.environ[METRICS_FOLDER])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        yield
    finally:
        if _is_private(folder):
            remove([str(folder)])


def forget_old_counts() -> None:
    """Empty a configured metrics folder: process ids repeat after a restart."""
    for kind in ("counter", "gauge", "histogram", "summary"):
        for path in Path(os.environ[METRICS_FOLDER]).glob(f"{kind}_*.db"):
            path.unlink(missing_ok=True)


def private_paths(valkey: EmbeddedValkey | None) -> tuple[Path, ...]:
    """Return what only a running desk needs; the guardian removes it if the desk is killed."""
    metrics = Path(os.environ[METRICS_FOLDER])
    private = [metrics] if _is_private(metrics) else []
    return (*private, *((valkey.socket.parent,) if valkey else ()))


def _is_private(metrics: Path) -> bool:
    return metrics.name.startswith(METRICS_PREFIX)


def publish_address(valkey: EmbeddedValkey, data: Path) -> None:
    """Publish the server's address where other commands' settings look for it.

    It is a link into the private folder, dangling as soon as the server is gone.
    """
    address = valkey.socket.with_name("redis_url")
    address.write_text(valkey.url())
    link = data / "redis_url"
    link.unlink(missing_ok=True)
    link.symlink_to(address)
