"""The simulated dxLink: Tastytrade's quote streamer on the simulated market.

Protocol 1.0 of dxLink (https://demo.dxfeed.com/dxlink-ws/debug/#/protocol): SETUP, AUTH, FEED
channels with odd numbers, COMPACT data in the order that FEED_CONFIG states.

Faults are scripted as for every server: each message sent is the request ``SEND /<TYPE>``, each
one received ``RECEIVE /<TYPE>``. ``delay`` is silence, ``body`` is sent instead (text unchanged; a
FEED_CONFIG also takes effect, so the order of fields changes), ``replace`` puts values at pointers,
``truncate`` cuts the frame, ``disconnect`` drops the connection.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any, Final

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from config.core.sandbox.faults import Fault, FaultScript, LoggedRequest, put_at
from config.core.sandbox.registry import SandboxContext
from greeks.sandbox.market import Market
from portfolio.sandbox.dxlink.channels import Channel, Message
from portfolio.sandbox.dxlink.tokens import QuoteTokens, quote_tokens_of

#: Path below the server's address, as ``/api-quote-tokens`` returns it.
PATH: Final = "/realtime"
SERVER: Final = "dxlink"
VERSION: Final = "1.0-1.2.1-greekdesk"
KEEPALIVE_SECONDS: Final = 30.0
LONGEST_TIMEOUT: Final = 60.0
#: A larger message ends the connection; so would a whole chain in one subscription.
LARGEST_MESSAGE: Final = 65_536
TOO_LARGE: Final = 1009
DROPPED: Final = 1012
FAILED: Final = 1011

logger = logging.getLogger(__name__)


class ProtocolError(Exception):
    """The client broke the protocol. The answer is ERROR; ``fatal`` ends the connection."""

    def __init__(self, error: str, message: str, *, channel: int = 0, fatal: bool = True) -> None:
        super().__init__(message)
        self.answer = {"type": "ERROR", "channel": channel, "error": error, "message": message}
        self.fatal = fatal


class Dropped(Exception):
    """The connection ends without another message."""

    def __init__(self, code: int = DROPPED) -> None:
        super().__init__()
        self.code = code


class Connection:
    """One client. The reader, the keep-alive and each channel's feed are separate tasks."""

    def __init__(
        self, socket: WebSocket, *, market: Market, tokens: QuoteTokens, faults: FaultScript
    ) -> None:
        self._socket = socket
        self._market = market
        self._tokens = tokens
        self._faults = faults
        self._timeout = LONGEST_TIMEOUT
        self._set_up = False
        self._authorised = False
        self._channels: dict[int, Channel] = {}
        self._feeds: dict[int, asyncio.Task[None]] = {}
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        await self._socket.accept()
        tasks = [self._start(self._read()), self._start(self._keep_alive())]
        try:
            await self._ended
        except WebSocketDisconnect:
            return
        except Dropped as dropped:
            await self._socket.close(dropped.code)
        except ProtocolError:
            await self._socket.close(1000)
        except Exception:
            logger.exception("A task of a dxLink connection failed")
            await self._socket.close(FAILED)
        finally:
            for task in (*tasks, *self._feeds.values()):
                task.cancel()

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._ended.done():
            self._ended.set_exception(error)

    async def _read(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._timeout):
                    text = await self._socket.receive_text()
                if len(text) > LARGEST_MESSAGE:
                    raise Dropped(TOO_LARGE)
                await self._received(_decoded(text))
            except TimeoutError:
                error = ProtocolError("TIMEOUT", f"No message for {self._timeout:g} seconds")
                await self._send(error.answer)
                raise error from None
            except ProtocolError as error:
                await self._send(error.answer)
                if error.fatal:
                    raise

    async def _received(self, message: Message) -> None:
        kind = message["type"]
        fault = self._faults.take(SERVER, "RECEIVE", f"/{kind}")
        added, removed = (len(message.get(name) or ()) for name in ("add", "remove"))
        self._faults.record(
            LoggedRequest(
                server=SERVER,
                method="RECEIVE",
                path=f"/{kind}",
                query=f"add={added}&remove={removed}" if kind == "FEED_SUBSCRIPTION" else "",
                status=None,
                faulted=fault is not None,
            )
        )
        if fault is not None:
            await self._apply(fault, fault.body)
            return
        await self._handle(kind, message)

    async def _handle(self, kind: str, message: Message) -> None:
        if kind == "KEEPALIVE":
            return
        if kind == "SETUP":
            await self._setup(message)
            return
        if not self._set_up:
            raise ProtocolError("BAD_ACTION", f"{kind} before SETUP")
        if kind == "AUTH":
            await self._authorise(message)
            return
        if not self._authorised:
            raise ProtocolError("UNAUTHORIZED", f"{kind} before AUTH")
        number = message.get("channel")
        if kind == "CHANNEL_REQUEST":
            await self._open(number, message)
            return
        channel = self._channels.get(number) if isinstance(number, int) else None
        if channel is None:
            raise ProtocolError("INVALID_MESSAGE", f"No channel {number}", fatal=False)
        if kind == "FEED_SETUP":
            await self._send(channel.configure(message))
        elif kind == "FEED_SUBSCRIPTION":
            channel.subscribe(message, self._market)
        elif kind == "CHANNEL_CANCEL":
            self._feeds.pop(channel.number).cancel()
            del self._channels[channel.number]
            await self._send({"type": "CHANNEL_CLOSED", "channel": channel.number})
        else:
            raise ProtocolError("UNSUPPORTED_PROTOCOL", f"Unknown message {kind}", fatal=False)

    async def _setup(self, message: Message) -> None:
        timeout = message.get("keepaliveTimeout")
        if isinstance(timeout, int | float) and timeout > 0:
            self._timeout = min(float(timeout), LONGEST_TIMEOUT)
        self._set_up = True
        await self._send(
            {
                "type": "SETUP",
                "channel": 0,
                "keepaliveTimeout": int(LONGEST_TIMEOUT),
                "acceptKeepaliveTimeout": int(LONGEST_TIMEOUT),
                "version": VERSION,
            }
        )
        await self._send({"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"})

    async def _authorise(self, message: Message) -> None:
        if not self._tokens.accepts(message.get("token")):
            raise ProtocolError("UNAUTHORIZED", "The token is not accepted")
        self._authorised = True
        state = {"type": "AUTH_STATE", "channel": 0, "state": "AUTHORIZED", "userId": "simulated"}
        await self._send(state)

    async def _open(self, number: object, message: Message) -> None:
        if not isinstance(number, int) or number % 2 == 0 or number < 0:
            raise ProtocolError("INVALID_MESSAGE", "A client's channels have odd numbers")
        if message.get("service") != "FEED" or number in self._channels:
            raise ProtocolError("BAD_ACTION", "The channel cannot be opened", fatal=False)
        channel = self._channels[number] = Channel(number)
        parameters = {"contract": "AUTO", "subFormat": "LIST"}
        await self._send(
            {
                "type": "CHANNEL_OPENED",
                "channel": number,
                "service": "FEED",
                "parameters": parameters,
            }
        )
        self._feeds[number] = self._start(self._feed(channel))

    async def _feed(self, channel: Channel) -> None:
        while True:
            for message in await asyncio.to_thread(channel.changed, self._market):
                await self._send(message)
            await asyncio.sleep(channel.period)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEPALIVE_SECONDS)
            await self._send({"type": "KEEPALIVE", "channel": 0})

    async def _send(self, message: Message) -> None:
        fault = self._faults.take(SERVER, "SEND", f"/{message['type']}")
        if fault is None:
            await self._socket.send_text(json.dumps(message))
        else:
            await self._apply(fault, message if fault.body is None else fault.body)

    async def _apply(self, fault: Fault, body: Any) -> None:
        if fault.delay:
            await asyncio.sleep(fault.delay)
        for pointer, value in fault.replace.items():
            body = put_at(body, pointer, value)
        if isinstance(body, dict) and body.get("type") == "FEED_CONFIG":
            channel = self._channels.get(body.get("channel", 0))
            if channel is not None:
                channel.adopt(body.get("eventFields"))
        if body is not None and not fault.disconnect:
            text = body if isinstance(body, str) else json.dumps(body)
            await self._socket.send_text(text[: fault.truncate])
        if fault.disconnect:
            raise Dropped


def _decoded(text: str) -> Message:
    try:
        message = json.loads(text)
    except ValueError:
        message = None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ProtocolError("INVALID_MESSAGE", "The frame is not a message")
    return message


def build_server(context: SandboxContext) -> Starlette:
    """Return the ASGI application; its state holds ``tokens``, so tests can revoke them."""
    tokens = quote_tokens_of(context.market)

    async def serve(socket: WebSocket) -> None:
        connection = Connection(socket, market=context.market, tokens=tokens, faults=context.faults)
        await connection.run()

    application = Starlette(routes=[WebSocketRoute(PATH, serve)])
    application.state.tokens = tokens
    return application
