"""What is decided before Django loads, because settings are read once: for ``manage.py``.

Standard library only. Everything goes into the environment, which every process inherits.
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
# The metrics library reads it when it loads: the folder in which several processes count together.
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
METRICS_PREFIX = "greekdesk-metrics-"
# Several threads of a linear algebra library break fork and cost memory; a book is small.
ONE_THREAD = tuple(f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL"))


def is_prepared() -> bool:
    """Whether this process was started by ``manage.py``, with everything decided."""
    return bool(os.environ.get(PREPARED))


def prepare_environment(environment: Mapping[str, str]) -> None:
    """Set what a supervised desk needs; without a ``REDIS_URL``, where its Valkey will listen."""
    os.environ.update(environment)
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    os.environ[PREPARED] = "1"
    if not os.environ.get("REDIS_URL"):
        path = _new_socket_path()
        os.environ[VALKEY_SOCKET] = str(path)
        os.environ["REDIS_URL"] = EmbeddedValkey(socket=path, data=path.parent).url()

    if not os.environ.get(METRICS_FOLDER):
        folder = METRICS_PREFIX + secrets.token_hex(6)
        os.environ[METRICS_FOLDER] = str(Path(tempfile.gettempdir()) / folder)


def _new_socket_path() -> Path:
    """A path in a folder that does not exist yet, short enough for a unix socket."""
    name = f"greekdesk-{secrets.token_hex(6)}/valkey.sock"
    path = Path(tempfile.gettempdir()) / name
    return path if len(str(path)) <= LONGEST_SOCKET_PATH else Path("/tmp") / name  # noqa: S108


def free_port() -> int:
    """A port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def embedded_valkey(data: Path) -> Iterator[EmbeddedValkey | None]:
    """The embedded server that belongs to this desk, if any; its private folder goes with it."""
    path = os.environ.get(VALKEY_SOCKET, "")
    if not path:
        yield None
        return
    valkey = EmbeddedValkey(socket=Path(path), data=data / "valkey")
    # Ours alone: somebody else's folder of that name is an error, not a place to listen.
    valkey.socket.parent.mkdir(mode=0o700)
    try:
        yield valkey
    finally:
        remove([str(valkey.socket.parent)])


@contextmanager
def metrics_folder() -> Iterator[None]:
    """The folder in which every process of this desk counts, so that each web process tells all."""
    folder = Path(os.environ[METRICS_FOLDER])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        yield
    finally:
        if _is_private(folder):
            remove([str(folder)])


def forget_old_counts() -> None:
    """Empty a metrics folder that was named: process numbers come again after a restart."""
    for kind in ("counter", "gauge", "histogram", "summary"):
        for path in Path(os.environ[METRICS_FOLDER]).glob(f"{kind}_*.db"):
            path.unlink(missing_ok=True)


def private_paths(valkey: EmbeddedValkey | None) -> tuple[Path, ...]:
    """What only a running desk needs: for the guardian to remove if the desk is killed."""
    metrics = Path(os.environ[METRICS_FOLDER])
    private = [metrics] if _is_private(metrics) else []
    return (*private, *((valkey.socket.parent,) if valkey else ()))


def _is_private(metrics: Path) -> bool:
    return metrics.name.startswith(METRICS_PREFIX)


def publish_address(valkey: EmbeddedValkey, data: Path) -> None:
    """Write the server's address where settings of other commands look for it.

    A link into the private folder: it leads nowhere as soon as the server is gone.
    """
    address = valkey.socket.with_name("redis_url")
    address.write_text(valkey.url())
    link = data / "redis_url"
    link.unlink(missing_ok=True)
    link.symlink_to(address)
