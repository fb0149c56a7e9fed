"""A sandbox with one small test server, so these tests need no provider."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from config.core.sandbox.registry import RegisteredServer, SandboxContext
from config.core.sandbox.server import Sandbox


class StoppedMarket:
    frozen = True

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def step(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def build_echo(context: SandboxContext) -> Starlette:
    async def rows(request: Request) -> JSONResponse:
        return JSONResponse([{"price": 1.5, "name": "one"}, {"price": 2.5, "name": "two"}])

    async def echo(request: Request) -> JSONResponse:
        return JSONResponse({"path": request.path_params["path"], "server": context.name})

    return Starlette(
        routes=[
            Route("/v1/rows", rows, methods=["GET", "POST"]),
            Route("/v1/{path:path}", echo, methods=["GET", "POST"]),
        ]
    )


@pytest.fixture
def echo_server(monkeypatch: pytest.MonkeyPatch) -> RegisteredServer:
    module = ModuleType("sandbox_echo_server")
    module.build_echo = build_echo  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sandbox_echo_server", module)
    return RegisteredServer("echo", "sandbox_echo_server.build_echo", "/v1")


@pytest.fixture
def echo(echo_server: RegisteredServer) -> Iterator[Sandbox]:
    with Sandbox(market=StoppedMarket(), books=object(), servers=[echo_server]) as running:
        yield running


@pytest.fixture
def get(echo: Sandbox) -> Iterator[Any]:
    with httpx.Client(base_url=echo.url("echo"), timeout=5, trust_env=False) as client:
        yield client.get
