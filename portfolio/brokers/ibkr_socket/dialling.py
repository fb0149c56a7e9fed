"""Open and close the socket to a gateway, and explain why it cannot be opened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from config.core.errors import MalformedResponse, PermanentError, ProviderError, RetryableError
from portfolio.brokers.ibkr_socket.client import NEWEST_VERSION, OLDEST_VERSION, GatewayIB
from portfolio.brokers.ibkr_socket.state import PROVIDER

CLIENT_ID_IN_USE = 326

#: Called with the connection, request id (−1: none), code and text of each error and notice.
OnError = Callable[[GatewayIB, int, int, str], None]


async def dial(
    host: str, port: int, client_id: int, *, seconds: float, on_error: OnError
) -> GatewayIB:
    """Return a ready, read-only connection with positions, account updates and executions
    requested.

    ``seconds`` bounds each step: connecting, the greeting, the first answers, the executions. A
    missing answer leaves the connection usable.

    Raises RetryableError, PermanentError for an unsupported version, and MalformedResponse if the
    peer is not a gateway.
    """
    ib = GatewayIB()
    codes: set[int] = set()

    def noted(request_id: int, code: int, text: str, _: object) -> None:
        codes.add(code)
        on_error(ib, request_id, code, text)

    failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def fail(reason: str = "") -> None:
        if not failed.done():
            failed.set_result(reason)

    ib.errorEvent += noted
    ib.client.apiError += fail
    connecting = asyncio.ensure_future(
        ib.connectAsync(host, port, clientId=client_id, timeout=seconds, readonly=True)
    )
    try:
        # ib_async keeps waiting for a gateway that has already closed the connection.
        await asyncio.wait({connecting, failed}, return_when=asyncio.FIRST_COMPLETED)
        if not connecting.done():
            # ib_async's own failure is more precise and is raised a moment later.
            await asyncio.wait({connecting}, timeout=0.1)
        problem = connecting.exception() if connecting.done() else None
        if connecting.done() and problem is None:
            return ib
        said = failed.result() if failed.done() else ""
        raise _refusal(ib, f"{host}:{port}", client_id, problem, said, codes)
    except BaseException:
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        hang_up(ib, "not connected")
        raise


def hang_up(ib: GatewayIB, reason: str) -> None:
    """Close the socket, whatever state it is in, and fail what waits for an answer."""
    for future in ib.wrapper._futures.values():
        if not future.done():
            future.set_exception(ConnectionError(reason))
    if ib.client.isReady():
        ib.disconnect()
    else:
        ib.client.disconnect()  # type: ignore[no-untyped-call]


def _refusal(
    ib: GatewayIB,
    address: str,
    client_id: int,
    problem: BaseException | None,
    said: str,
    codes: set[int],
) -> ProviderError:
    at = f"The gateway at {address}"
    if CLIENT_ID_IN_USE in codes:
        return RetryableError(
            f"{at} has client id {client_id} connected already: another desk or tool uses it. "
            "Give this one its own id (IBKR_SOCKET_CLIENT_ID).",
            provider=PROVIDER,
        )
    version = ib.client.answered_version
    if ">= 972" in said or version > NEWEST_VERSION:
        return PermanentError(
            f"{at} speaks version {version or f'below {OLDEST_VERSION}'} of the TWS API; this desk "
            f"speaks {OLDEST_VERSION} to 178. Update TWS or IB Gateway.",
            provider=PROVIDER,
        )
    if ib.client.broken_off:
        return MalformedResponse(f"{at}: {ib.client.broken_off}.", provider=PROVIDER)
    if isinstance(problem, TimeoutError):
        return RetryableError(f"{at} did not finish the greeting in time.", provider=PROVIDER)
    if isinstance(problem, OSError) and not isinstance(problem, ConnectionResetError):
        return RetryableError(
            f"{at} cannot be reached ({type(problem).__name__}); is it running, with its API port "
            "open?",
            provider=PROVIDER,
        )
    return RetryableError(
        f"{at} closed the connection before it was ready: it restarts, does not trust this "
        "machine, or has the client id in use.",
        provider=PROVIDER,
    )
