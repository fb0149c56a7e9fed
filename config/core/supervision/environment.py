"""What is decided before Django loads, because its settings are read once.

A command decides where the embedded Valkey listens and which ports are used, puts that into the
environment and starts itself anew with it.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from config.core.supervision.lifeline import remove
from config.core.supervision.valkey import EmbeddedValkey

PREPARED = "GREEKDESK_PREPARED"
VALKEY_SOCKET = "GREEKDESK_VALKEY_SOCKET"
# Several threads of a linear algebra library break fork and cost memory; a book is small.
ONE_THREAD = tuple(f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL"))


def is_prepared() -> bool:
    """Whether this process was started anew with everything decided."""
    return bool(os.environ.get(PREPARED))


def start_anew(environment: Mapping[str, str], *, data: Path) -> NoReturn:
    """Run the same command line again in the prepared environment."""
    prepared = dict(os.environ) | dict(environment) | dict.fromkeys(ONE_THREAD, "1")
    prepared[PREPARED] = "1"
    if not prepared.get("REDIS_URL"):
        valkey = EmbeddedValkey.in_private_folder(data / "valkey")
        prepared |= {VALKEY_SOCKET: str(valkey.socket), "REDIS_URL": valkey.url()}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *sys.argv], prepared)  # noqa: S606


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
    try:
        yield valkey
    finally:
        remove((valkey.socket.parent,))


def publish_address(valkey: EmbeddedValkey, data: Path) -> None:
    """Write the server's address where settings of other commands look for it.

    A link into the private folder: it leads nowhere as soon as the server is gone.
    """
    address = valkey.socket.with_name("redis_url")
    address.write_text(valkey.url())
    link = data / "redis_url"
    link.unlink(missing_ok=True)
    link.symlink_to(address)
