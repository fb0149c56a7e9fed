"""The registered simulated servers, as dotted paths from the apps' ``AppConfig.ready()``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.routing import Route

from config.core.sandbox.faults import FaultScript


class SandboxMarket(Protocol):
    """What the sandbox itself needs of the market; the servers use all of it."""

    frozen: bool

    def now(self) -> Any: ...

    def step(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxContext:
    """Passed to each server's factory: the market, its books and the scripted faults.

    ``limits``: enforce the vendor's documented rate limits (fast tests turn them off).
    ``recorded``: recorded answers come first, so the server may not see every call and must not
    insist on an order.
    """

    name: str
    market: Any
    books: Any
    faults: FaultScript
    limits: bool
    recorded: bool


class SandboxListener(Protocol):
    """A server with its own TCP port, for protocols other than HTTP.

    The port is bound on construction and served from ``open`` to ``close``, which are awaited on
    the sandbox's event loop. ``control_routes`` are mounted at ``/_control/<name>``.
    """

    @property
    def address(self) -> str: ...

    @property
    def usage(self) -> str:
        """The settings that point a desk here."""

    def control_routes(self) -> Sequence[Route]: ...

    async def open(self) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class RegisteredServer:
    """``base_path`` follows the mount in the URL clients get (``/v1/api``)."""

    name: str
    factory_path: str
    base_path: str


_servers: dict[str, RegisteredServer] = {}
_listeners: dict[str, str] = {}


def register_sandbox_server(name: str, factory_path: str, *, base_path: str = "") -> None:
    """Mount the ASGI application that ``factory_path`` builds at ``/<name>``."""
    server = RegisteredServer(name, factory_path, base_path)
    if _servers.setdefault(name, server) != server:
        raise ValueError(f"sandbox server {name!r} is registered twice")


def register_sandbox_listener(name: str, factory_path: str) -> None:
    """Serve what ``factory_path`` builds of context, host and port beside the ASGI servers.

    Port 0 is any free one. It returns a ``SandboxListener``.
    """
    if _listeners.setdefault(name, factory_path) != factory_path:
        raise ValueError(f"sandbox listener {name!r} is registered twice")


def registered_servers() -> tuple[RegisteredServer, ...]:
    return tuple(_servers.values())


def registered_listeners() -> dict[str, str]:
    """Return factory paths by name."""
    return dict(_listeners)
