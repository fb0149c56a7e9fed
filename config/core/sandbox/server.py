"""One uvicorn process with every simulated server mounted by name. Loopback only.

Listeners (servers of other protocols than HTTP) have their own TCP ports on the same loop.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from django.conf import settings
from django.utils.module_loading import import_string
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
    SandboxListener,
    registered_listeners,
    registered_servers,
)
from config.core.sandbox.tcp import bind_loopback

START_SECONDS = 10.0
STOP_SECONDS = 3


def open_market(*, seed: int = 1, chain: Path | None = None, always_open: bool = True) -> Any:
    """Open the simulated market, or the recorded chain with its clock frozen at its ``as_of``."""
    market: Any = import_string(settings.SANDBOX_MARKET)
    if chain is None:
        return market.simulated(seed=seed, always_open=always_open)
    if not chain.is_file():
        raise InvalidInput(f"chain: {chain} is not a file")
    try:
        return market.from_chain_file(chain)
    except ValueError as error:
        raise InvalidInput(f"chain: {error}") from None


class _Uvicorn(uvicorn.Server):
    """Opens the listeners too, and signals when all are listening, so nobody polls."""

    def __init__(self, config: uvicorn.Config, listeners: Sequence[SandboxListener]) -> None:
        super().__init__(config)
        self._listeners = listeners
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in self._listeners:
            await listener.open()
        await super().startup(sockets=sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in self._listeners:
            await listener.close()
        await super().shutdown(sockets=sockets)


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
        listeners: Mapping[str, str] | None = None,
        listener_ports: Mapping[str, int] | None = None,
    ) -> None:
        self.market = market
        self.books = import_string(settings.SANDBOX_BOOKS)(market) if books is None else books
        self.faults = FaultScript()
        self._limits = limits
        self._servers = tuple(registered_servers() if servers is None else servers)
        self.applications: dict[str, Any] = {}
        self.listeners: dict[str, Any] = {}
        if listeners is None:
            listeners = registered_listeners() if servers is None else {}
        self._socket = bind_loopback(host, port)
        self.host, self.port = self._socket.getsockname()[:2]
        try:
            self._bind_listeners(listeners, listener_ports or {})
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
            ),
            tuple(self.listeners.values()),
        )
        self._thread: threading.Thread | None = None

    def _bind_listeners(self, factories: Mapping[str, str], ports: Mapping[str, int]) -> None:
        unknown = set(ports) - set(factories)
        if unknown:
            known = ", ".join(factories) or "none"
            raise InvalidInput(f"listen: no {', '.join(sorted(unknown))} (known: {known})")
        for name, path in factories.items():
            context = self._context(name, recorded=False)
            self.listeners[name] = import_string(path)(context, self.host, ports.get(name, 0))

    def _context(self, name: str, *, recorded: bool) -> SandboxContext:
        return SandboxContext(
            name=name,
            market=self.market,
            books=self.books,
            faults=self.faults,
            limits=self._limits,
            recorded=recorded,
        )

    def _build(self, recorded: Mapping[str, Sequence[Path]]) -> Starlette:
        unknown = set(recorded) - {server.name for server in self._servers}
        if unknown:
            known = ", ".join(server.name for server in self._servers)
            raise InvalidInput(f"recorded: no server {', '.join(sorted(unknown))} (known: {known})")
        control = control_routes(faults=self.faults, market=self.market, addresses=self.addresses())
        routes: list[BaseRoute] = [
            *(
                Mount(f"/_control/{name}", routes=list(listener.control_routes()))
                for name, listener in self.listeners.items()
            ),
            Mount("/_control", routes=control),
        ]
        for server in self._servers:
            context = self._context(server.name, recorded=server.name in recorded)
            application: AsgiApplication = import_string(server.factory_path)(context)
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
        """Return the URL clients use for the server, or the sandbox's own."""
        address = f"[{self.host}]" if ":" in self.host else self.host
        root = f"http://{address}:{self.port}"
        for server in self._servers:
            if server.name == name:
                return f"{root}/{name}{server.base_path}"
        return f"{root}/{name}" if name else root

    def addresses(self) -> dict[str, str]:
        names = [server.name for server in self._servers]
        listening = {name: listener.address for name, listener in self.listeners.items()}
        return {name: self.url(name) for name in [*names, "_control"]} | listening

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM (main thread) or ``stop()``."""
        if self.market.frozen:
            # A restarted sandbox begins at the file's ``as_of``, wherever the last one was stepped.
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

    def __exit__(self, *_failure: object) -> None:
        self.stop()
