"""A bridge that runs, and a gateway of the tests' own: scripted frames, no line of the sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from config.core.redis.client import key, redis_client
from greeks.domain import Contract, InstrumentKind, Right, Snapshot
from portfolio.brokers.ibkr_socket.adapter import SocketAdapter
from portfolio.brokers.ibkr_socket.bridge import SocketBridge
from portfolio.brokers.ibkr_socket.connection import Patience

ACCOUNT = "DU1000001"
QUICK = Patience(
    connect=3.0, look=0.05, silence=60.0, probe=1.5, first_wait=0.05, longest_wait=0.2,
    hopeless_wait=0.2, lost=60.0, stale=60.0, stale_without_lines=60.0,
)  # fmt: skip
OPTION = Contract(
    kind=InstrumentKind.OPTION,
    symbol="QQQ   270115P00500000",
    underlying="QQQ",
    multiplier=Decimal(100),
    currency="USD",
    root="QQQ",
    expiry=datetime(2027, 1, 15, tzinfo=UTC).date(),
    strike=Decimal(500),
    right=Right.PUT,
    aliases={"ibkr": "728937835"},
)
STOCK = Contract(
    kind=InstrumentKind.STOCK, symbol="AAPL", underlying="AAPL", multiplier=Decimal(1),
    currency="USD", aliases={"ibkr": "265598"},
)  # fmt: skip
Answer = TypeVar("Answer")
Frame = Sequence[object]


def qualified(contract: Contract) -> Any:
    import ib_async

    return ib_async.Contract(conId=int(contract.aliases["ibkr"]), secType="OPT", exchange="SMART")


class Owned:
    """A running bridge and the adapter that asks it, as another process would."""

    def __init__(self, bridge: SocketBridge, adapter: SocketAdapter) -> None:
        self.bridge, self.adapter = bridge, adapter
        self.published: list[Snapshot] = []
        self.announced = 0

    async def ask(self, method: str, *arguments: Any, **named: Any) -> Any:
        return await asyncio.to_thread(getattr(self.adapter, method), *arguments, **named)

    def announce(self) -> None:
        self.announced += 1

    async def connected(self) -> None:
        here = key("ask", self.bridge.service, "owner")
        await until(lambda: self.bridge.state.status == "connected" and redis_client().exists(here))


async def until(condition: Callable[[], Any], *, seconds: float = 10.0) -> None:
    """Wait for what happens on another loop or process."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def owned(
    host: str,
    port: int,
    *,
    patience: Patience = QUICK,
    in_session: Callable[[], bool] = lambda: False,
    lines: int = 90,
    zone: str = "America/New_York",
    service: str = "ibkr_socket@test",
    wait: bool = True,
) -> AsyncIterator[Owned]:
    bridge = SocketBridge(
        host,
        port,
        17,
        service=service,
        zone=ZoneInfo(zone),
        lines=lines,
        in_session=in_session,
        publish=lambda snapshots: own.published.extend(snapshots),
        on_ready=lambda: own.announce(),
        patience=patience,
        lease_seconds=0.6,
    )
    own = Owned(bridge, SocketAdapter(service))
    running = asyncio.create_task(bridge.run())
    try:
        if wait:
            await own.connected()
        yield own
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def told(story: Callable[[], Coroutine[Any, Any, Answer]], *, seconds: float = 60.0) -> Answer:
    async def bounded() -> Answer:
        async with asyncio.timeout(seconds):
            return await story()

    return asyncio.run(bounded())


def frame(fields: Frame) -> bytes:
    body = "".join(f"{field}\0" for field in fields).encode()
    return struct.pack(">I", len(body)) + body


class ScriptedGateway:
    """``answers[message]`` gives the frames for a request's fields; silence where it has none."""

    def __init__(self, accounts: Sequence[str] = (ACCOUNT,), *, version: object = 178) -> None:
        self.accounts, self.version = accounts, version
        self.requests: list[list[str]] = []
        self.connections = 0
        #: A request that is answered by hanging up.
        self.hang_up_on = 0
        self._writers: list[asyncio.StreamWriter] = []
        self.answers: dict[int, Callable[[list[str]], Sequence[Frame]]] = {
            6: lambda fields: [(54, 1, fields[3])] if fields[2] == "1" else [],
            7: lambda fields: [(55, 1, fields[2])],
            16: lambda _: [(53, 1)],
            49: lambda _: [(49, 1, 1767225600)],
            61: lambda _: [(62, 1)],
            62: lambda fields: [(64, 1, fields[2])],
            76: lambda fields: [(74, 1, fields[2])],
        }

    async def __aenter__(self) -> ScriptedGateway:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.host, self.port = self._server.sockets[0].getsockname()[:2]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.drop()
        self._server.close()

    def asked(self, message: int) -> list[list[str]]:
        return [fields for fields in self.requests if fields[0] == str(message)]

    def send(self, *frames: Frame) -> None:
        for writer in self._writers:
            writer.write(b"".join(map(frame, frames)))

    def send_raw(self, data: bytes) -> None:
        for writer in self._writers:
            writer.write(data)

    def drop(self) -> None:
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readexactly(4)
            await self._next(reader)
            if isinstance(self.version, bytes):
                writer.write(self.version)
            else:
                writer.write(
                    frame((self.version, "20260405 23:50:51 Central Europe Standard Time"))
                )
            while True:
                fields = (await self._next(reader)).decode().split("\0")[:-1]
                self.requests.append(fields)
                if fields[0] == "71":
                    self._writers.append(writer)
                    writer.write(frame((15, 1, ",".join(self.accounts))))
                    writer.write(frame((9, 1, 1)))
                answer = self.answers.get(int(fields[0]))
                if fields[0] == str(self.hang_up_on):
                    self.drop()
                if answer is not None:
                    writer.write(b"".join(map(frame, answer(fields))))

    async def _next(self, reader: asyncio.StreamReader) -> bytes:
        (length,) = struct.unpack(">I", await reader.readexactly(4))
        return await reader.readexactly(length)


# --- Frames -------------------------------------------------------------------------------------
def position(account: str = ACCOUNT, **said: object) -> Frame:
    row = {
        "conid": 265598, "symbol": "AAPL", "secType": "STK", "expiry": "", "strike": "0.0",
        "right": "", "multiplier": "", "exchange": "", "currency": "USD", "localSymbol": "AAPL",
        "tradingClass": "NMS", "position": "10", "avgCost": "256.10",
    } | said  # fmt: skip
    return (61, 3, account, *row.values())


def execution(
    exec_id: str, account: str = ACCOUNT, *, request: object = 1, **said: object
) -> Frame:
    row = {
        "orderId": 0, "conid": 265598, "symbol": "AAPL", "secType": "STK", "expiry": "",
        "strike": "0.0", "right": "", "multiplier": "", "exchange": "NASDAQ", "currency": "USD",
        "localSymbol": "AAPL", "tradingClass": "NMS", "execId": exec_id,
        "time": "20260413  15:27:04", "account": account, "market": "NASDAQ", "side": "BOT",
        "shares": "1", "price": "257.95", "permId": 389211034, "clientId": 0, "liquidation": 0,
        "cumQty": "1", "avgPrice": "257.95", "orderRef": "", "evRule": "", "evMultiplier": "",
        "modelCode": "", "lastLiquidity": 2, "pending": 0,
    } | said  # fmt: skip
    return (11, request, *row.values())


def commission(
    exec_id: str, amount: object = "1.0", realized: object = "1.7976931348623157E308"
) -> Frame:
    return (59, 1, exec_id, amount, "USD", realized, "", "")


def error(code: int, text: str = "", request: object = -1) -> Frame:
    return (4, 2, request, code, text, "")


def details(request: object, conid: int, symbol: str, **said: object) -> Frame:
    row = {
        "symbol": symbol, "secType": "STK", "expiry": "", "strike": "0", "right": "",
        "exchange": "SMART", "currency": "USD", "localSymbol": symbol, "marketName": "NMS",
        "tradingClass": "NMS", "conid": conid, "minTick": "0.01", "multiplier": "",
        "orderTypes": "LMT", "validExchanges": "SMART", "priceMagnifier": 1, "underConId": 0,
        "longName": symbol, "primaryExchange": "NASDAQ", "contractMonth": "", "industry": "",
        "category": "", "subcategory": "", "zone": "US/Eastern", "hours": "", "liquid": "",
        "evRule": "", "evMultiplier": "", "secIds": 0, "aggGroup": 1, "underSymbol": "",
        "underSecType": "", "rules": "", "realExpiry": "", "stockType": "COMMON", "minSize": 1,
        "sizeIncrement": 1, "suggested": 100,
    } | said  # fmt: skip
    return (10, request, *row.values())


def summary(request: object, account: str, *rows: tuple[str, str, str]) -> list[Frame]:
    return [(63, 1, request, account, *row) for row in rows] + [(64, 1, request)]
