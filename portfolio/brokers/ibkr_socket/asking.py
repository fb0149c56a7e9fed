"""Ask the gateway: complete answers or none, within a time limit, with its errors as ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import ib_async
from ib_async.wrapper import RequestError

from config.core.errors import PermanentError, RateLimitedError, RetryableError
from greeks.domain import Contract
from greeks.providers.decoding import BadRow
from portfolio.brokers.ibkr_socket.client import GatewayIB, Row
from portfolio.brokers.ibkr_socket.directory import SocketDirectory
from portfolio.brokers.ibkr_socket.state import PROVIDER

Answer = TypeVar("Answer")

#: Seconds to wait for the end of each answer.
ANSWER_SECONDS = 6.0
_RATE_EXCEEDED = 100
_NOT_CONNECTED = frozenset({502, 504, 1100, 2110})


async def whole_answer(
    awaited: Awaitable[Answer], what: str, *, seconds: float | None = None
) -> Answer:
    """Return the complete answer. Raises RetryableError if it does not end or the socket breaks."""
    limit = ANSWER_SECONDS if seconds is None else seconds
    try:
        return await asyncio.wait_for(awaited, limit)
    except TimeoutError:
        raise RetryableError(
            f"{what}: no complete answer in {limit:g} s", provider=PROVIDER
        ) from None
    except ConnectionError:
        raise RetryableError(f"{what}: the connection broke", provider=PROVIDER) from None
    except RequestError as error:
        raise refused(what, error) from None


def refused(what: str, error: RequestError) -> RetryableError | PermanentError | RateLimitedError:
    """Convert the gateway's error to ours, by its code."""
    message = f"{what}: {error.code} {error.message[:160]}"
    if error.code == _RATE_EXCEEDED:
        return RateLimitedError(message, provider=PROVIDER, retry_after=1.0)
    if error.code in _NOT_CONNECTED:
        return RetryableError(message, provider=PROVIDER)
    return PermanentError(message, provider=PROVIDER)


def stop_waiting(ib: GatewayIB, name: object) -> None:
    """Forget a request that never ended, so that its late rows do not reach the next one."""
    ib.wrapper._futures.pop(name, None)
    ib.wrapper._results.pop(name, None)


def is_of(row: Row, account_number: str) -> bool:
    """Return whether a row belongs to the account.

    A short row that names no account belongs to every account, and is then rejected.
    """
    return row.get("account", account_number) == account_number


async def defined_row(directory: SocketDirectory, ib: GatewayIB, row: Row) -> Contract:
    """Return the contract of a row that does not name it by id."""
    wanted = ib_async.Contract(
        secType=row["secType"],
        symbol=row["symbol"],
        lastTradeDateOrContractMonth=row["expiry"],
        right=row["right"] if row["right"] in ("C", "P") else "",
        multiplier=row["multiplier"],
        exchange=row["exchange"] or "SMART",
        currency=row["currency"],
        localSymbol=row["localSymbol"],
        tradingClass=row["tradingClass"],
    )
    try:
        wanted.strike = float(row["strike"] or 0)
    except ValueError:
        raise BadRow(f"strike: {row['strike'][:24]!a} is not a number") from None
    contract = await defined(directory, ib, wanted)
    if contract is None:
        raise BadRow("conid: missing, and the terms fit no contract or several")
    return contract


async def defined(
    directory: SocketDirectory, ib: GatewayIB, wanted: ib_async.Contract
) -> Contract | None:
    """Return the gateway's definition of a contract; ``None`` if it has none or does not answer."""
    try:
        return await asyncio.wait_for(directory.define(ib, wanted), ANSWER_SECONDS)
    except (TimeoutError, ConnectionError, RetryableError):
        return None
