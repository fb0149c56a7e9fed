"""Servers that the tests of config.core break on purpose: a Valkey and a scripted provider."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import redis

from tests.servers.valkey import RunningValkey


class OwnValkey:
    """A Valkey of the test's own, which can be paused, killed and started again."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="gd-"))
        self._socket = self._folder / "v.sock"
        self._server: RunningValkey | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}?db=0"

    @property
    def server(self) -> RunningValkey:
        if self._server is None:
            raise RuntimeError("this Valkey does not run")
        return self._server

    def start(self) -> None:
        self._server = RunningValkey(self._socket)

    def client(self) -> redis.Redis:
        """Return a plain client of the test itself: it looks without guard or pool."""
        return redis.Redis.from_url(self.url, decode_responses=True, single_connection_client=True)

    def pause(self) -> None:
        self.server.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.server.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.server.process.kill()
        self.server.stop()
        self._server = None
        self._socket.unlink(missing_ok=True)

    def remove(self) -> None:
        if self._server is not None:
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


@dataclass
class Reply:
    """One scripted answer of the provider."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    #: Set by the test when a slow answer may go on.
    until: threading.Event | None = None
    #: Send only so many bytes of the announced body, then hang up.
    cut_after: int | None = None

    @staticmethod
    def of(value: Any, *, status: int = 200, **headers: str) -> Reply:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        body = json.dumps(value).encode()
        return Reply(status, body, {"Content-Type": "application/json"} | named)


@dataclass
class Seen:
    """A request as the provider got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: tuple[str, int]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class ScriptedProvider:
    """A real HTTP server on loopback that answers as scripted and remembers what it was asked."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.answer: Callable[[Seen], Reply] = lambda seen: Reply.of({"path": seen.path})
        self.seen: list[Seen] = []
        self._lock = threading.Lock()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body leave in one packet: apart, each answer would wait for a delayed ACK.
            wbufsize = 65536

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:
                    self.close_connection = True

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                seen = Seen(
                    method=self.command,
                    path=self.path,
                    headers={name.lower(): text for name, text in self.headers.items()},
                    body=self.rfile.read(length),
                    connection=self.client_address,
                )
                reply = provider.next_reply(seen)
                if reply.until is not None:
                    reply.until.wait(10)
                self.send_response(reply.status)
                for name, text in reply.headers.items():
                    self.send_header(name, text)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                if reply.cut_after is not None:
                    self.wfile.write(reply.body[: reply.cut_after])
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                self.wfile.write(reply.body)

            do_GET = do_POST = do_DELETE = _serve  # noqa: N815

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
                return

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def next_reply(self, seen: Seen) -> Reply:
        with self._lock:
            self.seen.append(seen)
            if self.replies:
                return self.replies.pop(0)
        return self.answer(seen)

    def always(self, reply: Reply) -> None:
        """Answer everything that is not scripted with ``reply``."""
        self.answer = lambda _: reply

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
