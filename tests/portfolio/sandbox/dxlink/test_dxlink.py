"""The simulated dxLink keeps the protocol, step by step, and refuses what the vendor refuses."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from config.core.sandbox.server import Sandbox
from greeks.domain import Contract
from greeks.instruments.occ import parse_occ
from portfolio.sandbox.dxlink.channels import Channel
from portfolio.sandbox.dxlink.events import EVENT_FIELDS


class Wire:
    """A client that writes given frames and reads message by message."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def send(self, kind: str, channel: int = 0, **fields: Any) -> None:
        self.socket.send(json.dumps({"type": kind, "channel": channel} | fields))

    def read(self) -> dict[str, Any]:
        message = json.loads(self.socket.recv(timeout=10))
        assert isinstance(message, dict)
        return message

    def read_until(self, kind: str) -> dict[str, Any]:
        while (message := self.read())["type"] != kind:
            pass
        return message

    def set_up(self, **fields: Any) -> None:
        self.send("SETUP", version="test", **fields)
        assert self.read()["type"] == "SETUP"
        assert self.read()["state"] == "UNAUTHORIZED"

    def authorise(self, token: str) -> None:
        self.set_up()
        self.send("AUTH", token=token)
        assert self.read()["state"] == "AUTHORIZED"

    def open_feed(self, token: str, **fields: Any) -> dict[str, Any]:
        self.authorise(token)
        self.send("CHANNEL_REQUEST", 3, service="FEED", parameters={"contract": "AUTO"})
        opened = self.read()
        assert (opened["type"], opened["channel"], opened["service"]) == (
            "CHANNEL_OPENED", 3, "FEED",
        )  # fmt: skip
        self.send("FEED_SETUP", 3, acceptDataFormat="COMPACT", **fields)
        return self.read()

    def ended(self) -> ConnectionClosed:
        try:
            while True:
                self.read()
        except ConnectionClosed as closed:
            return closed


@pytest.fixture
def wire(sandbox: Sandbox) -> Iterator[Wire]:
    with connect(sandbox.url("dxlink").replace("http", "ws", 1), proxy=None) as socket:
        yield Wire(socket)


@pytest.fixture
def token(sandbox: Sandbox) -> str:
    granted = sandbox.applications["dxlink"].state.tokens.grant()
    assert isinstance(granted, str)
    return granted


@pytest.fixture
def held(sandbox: Sandbox) -> Contract:
    book = sandbox.books.account("5WX00001")
    found = next(p.contract for p in book.positions() if p.contract.is_option)
    assert isinstance(found, Contract)
    return found


@pytest.fixture
def symbol(held: Contract) -> str:
    return parse_occ(held.symbol).streamer


def entries(*names: tuple[str, str]) -> list[dict[str, str]]:
    return [{"type": kind, "symbol": symbol} for kind, symbol in names]


def test_setup_is_answered_and_then_a_token_is_wanted(wire: Wire) -> None:
    wire.send("SETUP", keepaliveTimeout=60, acceptKeepaliveTimeout=60, version="test")

    answer, state = wire.read(), wire.read()
    assert (answer["type"], answer["keepaliveTimeout"]) == ("SETUP", 60)
    assert state == {"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"}


@pytest.mark.parametrize("given", ["", "wrong", None, 7])
def test_token_that_was_never_given_out_is_refused(wire: Wire, given: Any) -> None:
    wire.set_up()
    wire.send("AUTH", token=given)

    answer = wire.read()
    assert (answer["type"], answer["error"]) == ("ERROR", "UNAUTHORIZED")
    wire.ended()


def test_token_runs_out(sandbox: Sandbox, wire: Wire) -> None:
    tokens = sandbox.applications["dxlink"].state.tokens
    short = tokens.grant(seconds=0.0)
    assert tokens.accepts(tokens.grant())
    assert not tokens.accepts(short)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("AUTH", "BAD_ACTION"), ("CHANNEL_REQUEST", "BAD_ACTION"), ("FEED_SETUP", "BAD_ACTION")],
)
def test_message_before_setup_ends_the_connection(wire: Wire, kind: str, error: str) -> None:
    wire.send(kind)

    assert wire.read()["error"] == error
    wire.ended()


def test_channel_before_the_token_is_refused(wire: Wire) -> None:
    wire.set_up()
    wire.send("CHANNEL_REQUEST", 1, service="FEED")

    assert wire.read()["error"] == "UNAUTHORIZED"
    wire.ended()


def test_even_channel_is_refused(wire: Wire, token: str) -> None:
    wire.authorise(token)
    wire.send("CHANNEL_REQUEST", 2, service="FEED")

    assert wire.read()["error"] == "INVALID_MESSAGE"
    wire.ended()


def test_channel_that_is_not_open_is_said_to_be_none_and_the_connection_stays(
    wire: Wire, token: str
) -> None:
    wire.authorise(token)
    wire.send("FEED_SETUP", 5)
    assert wire.read()["error"] == "INVALID_MESSAGE"

    wire.send("CHANNEL_REQUEST", 5, service="FEED")
    assert wire.read()["type"] == "CHANNEL_OPENED"


def test_server_states_an_order_of_its_own(wire: Wire, token: str) -> None:
    config = wire.open_feed(token)

    assert config["type"] == "FEED_CONFIG"
    assert config["dataFormat"] == "COMPACT"
    assert config["eventFields"]["Quote"] == list(EVENT_FIELDS["Quote"])


def test_accepted_fields_come_in_the_order_that_was_asked_for(
    wire: Wire, token: str, symbol: str
) -> None:
    names = ["vega", "eventSymbol", "delta", "noSuchField"]
    config = wire.open_feed(token, acceptEventFields={"Greeks": names})
    assert config["eventFields"]["Greeks"] == names[:3]

    wire.send("FEED_SUBSCRIPTION", 3, add=entries(("Greeks", symbol)))
    kind, flat = wire.read_until("FEED_DATA")["data"]
    assert (kind, len(flat), flat[1]) == ("Greeks", 3, symbol)


def test_subscribed_contract_is_quoted_and_moves_and_others_are_not(
    sandbox: Sandbox, wire: Wire, token: str, held: Contract, symbol: str
) -> None:
    wire.open_feed(token, acceptEventFields={"Greeks": ["eventSymbol", "delta", "time"]})
    wire.send(
        "FEED_SUBSCRIPTION",
        3,
        add=entries(("Greeks", symbol), ("Greeks", held.underlying), ("Greeks", ".NONE270115C1")),
    )

    first = wire.read_until("FEED_DATA")["data"][1]
    sandbox.market.step(3600)
    second = wire.read_until("FEED_DATA")["data"][1]
    assert (len(first), len(second)) == (3, 3)
    assert first[0] == second[0] == symbol
    assert first[1] != second[1]
    assert first[1] == pytest.approx(sandbox.market.quote(held).delta, abs=0.1)


def test_unsubscribed_contract_is_silent(wire: Wire, token: str, held: Contract) -> None:
    symbol = parse_occ(held.symbol).streamer
    wire.open_feed(token, acceptEventFields={"Greeks": ["eventSymbol"], "Trade": ["eventSymbol"]})
    wire.send("FEED_SUBSCRIPTION", 3, add=entries(("Greeks", symbol)))
    wire.read_until("FEED_DATA")

    wire.send(
        "FEED_SUBSCRIPTION",
        3,
        remove=entries(("Greeks", symbol)),
        add=entries(("Trade", held.underlying)),
    )

    while wire.read_until("FEED_DATA")["data"][0] == "Greeks":
        pass
    assert {wire.read_until("FEED_DATA")["data"][0] for _ in range(3)} == {"Trade"}


def test_task_that_fails_ends_the_connection_and_is_logged(
    wire: Wire,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("the market is upside down")

    monkeypatch.setattr(Channel, "changed", broken)
    wire.authorise(token)
    wire.send("CHANNEL_REQUEST", 3, service="FEED")

    ended = wire.ended()
    assert ended.rcvd is not None
    assert ended.rcvd.code == 1011
    assert "the market is upside down" in caplog.text


def test_reset_forgets_what_was_subscribed(wire: Wire, token: str, held: Contract) -> None:
    symbol = parse_occ(held.symbol).streamer
    wire.open_feed(token)
    wire.send("FEED_SUBSCRIPTION", 3, add=entries(("Greeks", symbol)))
    wire.read_until("FEED_DATA")

    wire.send("FEED_SUBSCRIPTION", 3, reset=True, add=entries(("Summary", symbol)))

    while wire.read_until("FEED_DATA")["data"][0] == "Greeks":
        pass
    wire.send("CHANNEL_CANCEL", 3)
    assert wire.read_until("CHANNEL_CLOSED")["channel"] == 3


def test_unknown_numbers_are_the_text_nan(wire: Wire, token: str, held: Contract) -> None:
    wire.open_feed(token, acceptEventFields={"Trade": ["eventSymbol", "change", "dayTurnover"]})
    wire.send("FEED_SUBSCRIPTION", 3, add=entries(("Trade", held.underlying)))

    assert wire.read_until("FEED_DATA")["data"] == ["Trade", [held.underlying, "NaN", "NaN"]]


def test_full_format_is_objects(wire: Wire, token: str, symbol: str) -> None:
    wire.authorise(token)
    wire.send("CHANNEL_REQUEST", 1, service="FEED")
    wire.read()
    wire.send("FEED_SETUP", 1, acceptDataFormat="FULL")
    assert "eventFields" not in wire.read()
    wire.send("FEED_SUBSCRIPTION", 1, add=entries(("Quote", symbol)))

    [event] = wire.read_until("FEED_DATA")["data"]
    assert (event["eventType"], event["eventSymbol"]) == ("Quote", symbol)


def test_silent_client_is_disconnected(wire: Wire) -> None:
    wire.set_up(keepaliveTimeout=0.2)

    assert wire.read()["error"] == "TIMEOUT"
    wire.ended()


def test_keepalive_keeps_the_connection(wire: Wire, token: str) -> None:
    wire.set_up(keepaliveTimeout=3.0)
    ends = time.monotonic() + 3.3
    waiting = threading.Event()
    while time.monotonic() < ends:
        wire.send("KEEPALIVE")
        waiting.wait(0.2)
    wire.send("AUTH", token=token)
    assert wire.read()["state"] == "AUTHORIZED"


def test_subscription_of_a_whole_chain_drops_the_connection(wire: Wire, token: str) -> None:
    wire.open_feed(token)
    chain = entries(*[("Quote", f".SPX270115C{strike}") for strike in range(2000)])
    wire.send("FEED_SUBSCRIPTION", 3, add=chain)

    error = wire.ended()
    assert error.rcvd is not None
    assert error.rcvd.code == 1009


@pytest.mark.parametrize("frame", ["{", "[]", '{"channel":0}', '{"type":1}'])
def test_frame_that_is_no_message_ends_the_connection(wire: Wire, frame: str) -> None:
    wire.socket.send(frame)

    assert wire.read()["error"] == "INVALID_MESSAGE"
    wire.ended()


def test_faults_are_scripted_by_message(
    sandbox: Sandbox, wire: Wire, token: str, symbol: str
) -> None:
    wire.open_feed(token, acceptEventFields={"Greeks": ["eventSymbol", "delta"]})
    data = "/FEED_DATA"
    faults = sandbox.faults
    faults.add(server="dxlink", path=data, after=3, disconnect=True)
    faults.add(server="dxlink", path=data, after=2, truncate=9)
    faults.add(server="dxlink", path=data, after=1, body={"type": "NEWS", "channel": 3})
    faults.add(server="dxlink", path=data, replace={"/data/1/1": "NaN"})

    wire.send("FEED_SUBSCRIPTION", 3, add=entries(("Greeks", symbol)))

    assert wire.read()["data"] == ["Greeks", [symbol, "NaN"]]
    assert wire.read()["type"] == "NEWS"
    assert wire.socket.recv(timeout=10) == '{"type": '
    wire.ended()
    [logged] = faults.requests(server="dxlink", path="SUBSCRIPTION")
    assert (logged.method, logged.query) == ("RECEIVE", "add=1&remove=0")


def test_order_of_fields_changes_in_mid_session(
    sandbox: Sandbox, wire: Wire, token: str, symbol: str
) -> None:
    wire.open_feed(token, acceptEventFields={"Greeks": ["eventSymbol", "delta"]})
    wire.send("FEED_SUBSCRIPTION", 3, add=entries(("Greeks", symbol)))
    assert wire.read_until("FEED_DATA")["data"][1][0] == symbol
    fields = {"Greeks": ["delta", "vega", "eventSymbol"]}
    sandbox.faults.add(
        server="dxlink",
        path="/FEED_DATA",
        body={"type": "FEED_CONFIG", "channel": 3, "eventFields": fields},
    )

    assert wire.read_until("FEED_CONFIG")["eventFields"] == fields
    assert wire.read_until("FEED_DATA")["data"][1][2] == symbol
