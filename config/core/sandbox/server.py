"""One uvicorn process with every simulated server mounted under its name. Loopback only."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from config.core.clock import tell_market_clock
from config.core.errors import InvalidInput, Unavailable
from config.core.sandbox.control import control_routes
from config.core.sandbox.faults import AsgiApplication, FaultMiddleware, FaultScript
from config.core.sandbox.recorded import RecordedFolder, RecordedMiddleware
from config.core.sandbox.registry import (
    RegisteredServer,
    SandboxContext,
    books_class,
    build_server,
    market_class,
    registered_servers,
)

START_SECONDS = 10.0
STOP_SECONDS = 3


def open_market(*, seed: int = 1, chain: Path | None = None, always_open: bool = True) -> Any:
    """The simulated market, or the recorded chain with its clock frozen at its as-of."""
    if chain is None:
        return market_class().simulated(seed=seed, always_open=always_open)
    if not chain.is_file():
        raise InvalidInput(f"chain: {chain} is not a file")
    try:
        return market_class().from_chain_file(chain)
    except ValueError as error:
        raise InvalidInput(f"chain: {error}") from None


class _Uvicorn(uvicorn.Server):
    """Says when it listens, so that nobody has to poll for it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()


class Sandbox:
    """The running sandbox. ``run()`` blocks until a signal; ``start()`` serves from a thread."""

    def __init__(
        self,
        *,
        market: Any,
        books: Any = None,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: bool = False,
        recorded: Mapping[str, Sequence[Path]] | None = None,
        servers: Sequence[RegisteredServer] | None = None,
    ) -> None:
        self.market = market
        self.books = books if books is not None else books_class()(market)
        self.faults = FaultScript()
        self._limits = limits
        self._servers = tuple(registered_servers() if servers is None else servers)
        self.applications: dict[str, Any] = {}
        self._socket = _listen(host, port)
        self.host, self.port = self._socket.getsockname()[:2]
        try:
            application = self._build(recorded or {})
        except BaseException:
            self._socket.close()
            raise
        self._server = _Uvicorn(
            uvicorn.Config(
                application,
                log_config=None,
                log_level="critical",
                access_log=False,
                lifespan="off",
                ws_max_size=1_000_000,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self._thread: threading.Thread | None = None

    def _build(self, recorded: Mapping[str, Sequence[Path]]) -> Starlette:
        unknown = set(recorded) - {server.name for server in self._servers}
        if unknown:
            known = ", ".join(server.name for server in self._servers)
            raise InvalidInput(f"recorded: no server {', '.join(sorted(unknown))} (known: {known})")
        routes: list[BaseRoute] = [
            Mount(
                "/_control",
                routes=control_routes(
                    faults=self.faults, market=self.market, addresses=self.addresses()
                ),
            )
        ]
        for server in self._servers:
            context = SandboxContext(
                name=server.name,
                market=self.market,
                books=self.books,
                faults=self.faults,
                limits=self._limits,
                recorded=server.name in recorded,
            )
            application: AsgiApplication = build_server(server, context)
            self.applications[server.name] = application
            folders = [
                RecordedFolder(folder, base_path=server.base_path)
                for folder in recorded.get(server.name, ())
            ]
            if folders:
                application = RecordedMiddleware(application, folders)
            wrapped = FaultMiddleware(application, server=server.name, faults=self.faults)
            routes.append(Mount(f"/{server.name}", app=wrapped))
        return Starlette(routes=routes)

    def url(self, name: str = "") -> str:
        """The address a client is given for the server, or the sandbox's own."""
        address = f"[{self.host}]" if ":" in self.host else self.host
        root = f"http://{address}:{self.port}"
        for server in self._servers:
            if server.name == name:
                return f"{root}/{name}{server.base_path}"
        return f"{root}/{name}" if name else root

    def addresses(self) -> dict[str, str]:
        names = [server.name for server in self._servers]
        return {name: self.url(name) for name in [*names, "_control"]}

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM (main thread) or ``stop()``."""
        if self.market.frozen:
            # One that starts again stands at the file's as-of, however far the last was stepped.
            tell_market_clock(self.market.now())
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()

    def start(self) -> Sandbox:
        self._thread = threading.Thread(target=self.run, name="sandbox", daemon=True)
        self._thread.start()
        if not self._server.ready.wait(START_SECONDS):
            self.stop()
            raise Unavailable(f"the sandbox did not listen within {START_SECONDS:g} s")
        return self

    def stop(self) -> None:
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(STOP_SECONDS + 2)

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; refuses any address that is not loopback: the data is open to all."""
    address = "127.0.0.1" if host == "localhost" else host
    try:
        if not ipaddress.ip_address(address).is_loopback:
            raise ValueError
    except ValueError:
        raise InvalidInput(f"host: the sandbox serves on loopback only, not on {host}") from None
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=256)
    except OSError as error:
        raise Unavailable(f"port {port}: {error.strerror or error}") from None
