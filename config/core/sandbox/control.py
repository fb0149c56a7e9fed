"""The sandbox's control endpoints under ``/_control``: faults, clock and request log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from config.core.clock import tell_market_clock
from config.core.sandbox.faults import Fault, FaultScript
from config.core.sandbox.registry import SandboxMarket

_SCRIPTABLE = {field.name for field in fields(Fault)} - {"seen", "acted"}
Endpoint = Callable[[Request], Awaitable[JSONResponse]]


def _refused(message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status_code=400)


async def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body. Raises ``ValueError`` for anything else."""
    try:
        body = await request.json()
    except ValueError:
        raise ValueError("the body is not JSON") from None
    if not isinstance(body, dict):
        raise ValueError("the body is not an object")
    return body


def control_routes(
    *, faults: FaultScript, market: SandboxMarket, addresses: dict[str, str]
) -> list[Route]:
    """Routes to be mounted at ``/_control``."""

    async def script_fault(request: Request) -> JSONResponse:
        try:
            wanted = await read_object(request)
            unknown = set(wanted) - _SCRIPTABLE
            if unknown:
                raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
            faults.add(**wanted)
        except (ValueError, TypeError) as error:
            return _refused(str(error))
        return JSONResponse({"scripted": wanted}, status_code=201)

    async def clear_faults(request: Request) -> JSONResponse:
        faults.clear()
        return JSONResponse({"cleared": True})

    async def show_requests(request: Request) -> JSONResponse:
        logged = faults.requests(
            server=request.query_params.get("server", ""),
            path=request.query_params.get("path", ""),
        )
        return JSONResponse({"requests": [asdict(entry) for entry in logged]})

    async def forget_requests(request: Request) -> JSONResponse:
        faults.forget_requests()
        return JSONResponse({"cleared": True})

    def clock() -> JSONResponse:
        return JSONResponse({"now": market.now().isoformat(), "frozen": market.frozen})

    async def show_clock(request: Request) -> JSONResponse:
        return clock()

    async def step_clock(request: Request) -> JSONResponse:
        try:
            seconds = (await read_object(request)).get("step_seconds")
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
                raise ValueError("step_seconds: a positive number of seconds is needed")
        except ValueError as error:
            return _refused(str(error))
        market.step(seconds)
        tell_market_clock(market.now())
        return clock()

    async def show_servers(request: Request) -> JSONResponse:
        return JSONResponse(addresses)

    table: tuple[tuple[str, str, Endpoint], ...] = (
        ("/faults", "POST", script_fault),
        ("/faults", "DELETE", clear_faults),
        ("/requests", "GET", show_requests),
        ("/requests", "DELETE", forget_requests),
        ("/clock", "GET", show_clock),
        ("/clock", "POST", step_clock),
        ("/servers", "GET", show_servers),
    )
    return [Route(path, endpoint, methods=[method]) for path, method, endpoint in table]
