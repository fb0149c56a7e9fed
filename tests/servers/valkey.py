"""A real Valkey for tests: at the address that the test settings name, empty for each test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from config.core.processes.lifeline import die_with_parent
from config.core.processes.valkey import EmbeddedValkey


class RunningValkey:
    """A server that ends with the test process, however that ends."""

    def __init__(self, socket_path: Path) -> None:
        self._data = Path(tempfile.mkdtemp(prefix="gd-valkey-"))
        self.server = EmbeddedValkey(socket=socket_path, data=self._data)
        parent = os.getpid()
        self.process = subprocess.Popen(
            self.server.command(durable=False),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: die_with_parent(parent, signal.SIGTERM),
        )
        deadline = time.monotonic() + 10
        while not self.server.answers():
            if time.monotonic() > deadline:
                raise TimeoutError("Valkey did not start")
            time.sleep(0.01)
        self._client = socket.socket(socket.AF_UNIX)
        self._client.settimeout(5)
        self._client.connect(str(socket_path))

    @property
    def url(self) -> str:
        return self.server.url()

    def empty(self) -> None:
        """Remove every key of every database."""
        self._client.sendall(b"FLUSHALL\r\n")
        if not self._client.recv(64).startswith(b"+OK"):
            raise RuntimeError("Valkey could not be emptied")

    def stop(self) -> None:
        self._client.close()
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self._data, ignore_errors=True)
