"""The gateway's control endpoints under ``/_control/ibkr_socket``: faults, state, events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from config.core.sandbox.control import read_object
from portfolio.sandbox.ibkr_socket.faults import GatewayFaults


class Gateway(Protocol):
    """The actions that tests can take on a gateway."""

    faults: GatewayFaults

    @property
    def sessions(self) -> Mapping[int, Any]: ...

    def refuse(self) -> None: ...

    def disconnect(self) -> None: ...

    async def accept(self) -> None: ...

    async def restart(self, seconds: float) -> None: ...

    async def notify(self, code: int, message: str = ..., *, request_id: int = ...) -> None: ...

    async def release(self) -> None: ...

    async def correct_execution(self, execution_id: str, price: float) -> str: ...

    async def pulse(self) -> None: ...


def control_routes(gateway: Gateway) -> list[Route]:
    """Return ``POST|DELETE /faults``, ``GET|POST /state``, ``GET /clients``, ``POST /events``.

    An event is an object with ``event`` and its arguments: ``refuse``, ``accept``, ``disconnect``,
    ``restart`` (seconds), ``notify`` (code, message), ``release``, ``correct`` (execution_id,
    price), ``pulse``.
    """

    async def script_fault(request: Request) -> JSONResponse:
        wanted = await read_object(request)
        gateway.faults.add(**wanted)
        return JSONResponse({"scripted": wanted}, status_code=201)

    async def clear_faults(request: Request) -> JSONResponse:
        gateway.faults.clear()
        return JSONResponse({"cleared": True})

    async def show_state(request: Request) -> JSONResponse:
        return JSONResponse(asdict(gateway.faults.state))

    async def change_state(request: Request) -> JSONResponse:
        return JSONResponse(asdict(gateway.faults.change(**await read_object(request))))

    async def show_clients(request: Request) -> JSONResponse:
        clients = {number: len(session.lines) for number, session in gateway.sessions.items()}
        return JSONResponse({"market_data_lines": clients})

    async def act(request: Request) -> JSONResponse:
        wanted = await read_object(request)
        event = wanted.pop("event", None)
        corrected = None
        match event:
            case "refuse" | "disconnect":
                getattr(gateway, event)()
            case "accept" | "release" | "pulse":
                await getattr(gateway, event)()
            case "restart":
                await gateway.restart(float(wanted["seconds"]))
            case "notify":
                await gateway.notify(int(wanted["code"]), str(wanted.get("message", "")))
            case "correct":
                corrected = await gateway.correct_execution(
                    str(wanted["execution_id"]), float(wanted["price"])
                )
            case _:
                raise ValueError(f"event: {event!r} is unknown")
        return JSONResponse({"done": event, "execution_id": corrected})

    table: tuple[tuple[str, str, Endpoint], ...] = (
        ("/faults", "POST", script_fault),
        ("/faults", "DELETE", clear_faults),
        ("/state", "GET", show_state),
        ("/state", "POST", change_state),
        ("/clients", "GET", show_clients),
        ("/events", "POST", act),
    )
    return [Route(path, _named(answer), methods=[method]) for path, method, answer in table]


Endpoint = Callable[[Request], Awaitable[JSONResponse]]


def _named(answer: Endpoint) -> Endpoint:
    """Answer an invalid request with the reason."""

    async def endpoint(request: Request) -> JSONResponse:
        try:
            return await answer(request)
        except KeyError as error:
            return JSONResponse({"error": f"{error} is missing"}, status_code=400)
        except (ValueError, TypeError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)

    return endpoint
