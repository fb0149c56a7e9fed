"""Conversations with the simulated gateway go as a real gateway's transcripts went."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from typing import Any

import pytest

from portfolio.sandbox.ibkr_socket.contracts import NOT_FOUND
from tests.portfolio.sandbox.ibkr_socket.ib_clients import ACCOUNT, SPY
from tests.portfolio.sandbox.ibkr_socket.tws_transcripts import (
    KINDS,
    lines,
    recorded,
    recorded_error,
)
from tests.sandbox_server import GatewayHandle

pytestmark = pytest.mark.anyio


class Wire:
    """A client that sees frames and nothing else."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def say(self, *fields: Any) -> None:
        body = "".join(f"{field}\0" for field in fields).encode()
        self._writer.write(struct.pack(">I", len(body)) + body)

    async def hear(self) -> list[str]:
        (length,) = struct.unpack(">I", await self._reader.readexactly(4))
        return (await self._reader.readexactly(length)).decode().split("\0")[:-1]

    async def hear_until(self, last: str) -> list[list[str]]:
        heard: list[list[str]] = []
        async with asyncio.timeout(10):
            while not heard or KINDS.get(int(heard[-1][0])) != last:
                heard.append(await self.hear())
        return heard


@asynccontextmanager
async def wire(gateway: GatewayHandle) -> AsyncIterator[tuple[Wire, list[list[str]]]]:
    """A started session and the messages it received."""
    reader, writer = await asyncio.open_connection(gateway.host, gateway.port)
    opened = Wire(reader, writer)
    writer.write(b"API\0" + struct.pack(">I", 9) + b"v157..178")
    greeting = [await opened.hear()]
    opened.say(71, 2, 5, "")
    greeting += [await opened.hear() for _ in range(5)]
    try:
        yield opened, greeting
    finally:
        writer.close()


def collapsed(kinds: Sequence[str]) -> list[str]:
    """Runs of one kind as one; errors aside."""
    return [kind for kind, _ in groupby(kind for kind in kinds if kind != "api_error")]


def answered(file: str, request: str) -> list[str]:
    """What the recorded gateway sent after a request, up to the next."""
    kinds: list[str] = []
    asked = False
    for who, kind, _ in lines(file):
        if who == "client":
            asked = kind == request and not kinds
        elif asked:
            kinds.append(kind)
    return collapsed(kinds)


async def test_session_begins_as_recorded(gateway: GatewayHandle) -> None:
    theirs = [(kind, row) for who, kind, row in lines("grounded_bootstrap.txt") if who == "server"]
    async with wire(gateway) as (_, greeting):
        handshake, *said = greeting
    assert handshake[0] == "178"
    assert re.match(r"\d{8} \d\d:\d\d:\d\d \w+", handshake[1]), "as 20260405 23:49:26 Central …"
    assert [KINDS[int(fields[0])] for fields in said] == [kind for kind, _ in theirs]
    assert said[0] == ["15", "1", ACCOUNT]
    for fields, (kind, row) in zip(said, theirs, strict=True):
        if kind == "api_error":
            assert fields == ["4", "2", str(row["req_id"]), str(row["code"]), row["message"], ""]


CONTRACT = (SPY, "", "", "", 0.0, "", "", "SMART", "", "", "", "")


@pytest.mark.parametrize(
    ("file", "request_kind", "said"),
    [
        ("grounded_positions.txt", "req_positions", (61, 1)),
        ("positions_multi.txt", "req_positions_multi", (74, 1, 7, ACCOUNT, "")),
        (
            "grounded_account_summary.txt",
            "req_account_summary",
            (62, 1, 7, "All", "NetLiquidation,BuyingPower"),
        ),
        ("account_updates.txt", "req_account_updates", (6, 2, 1, ACCOUNT)),
        (
            "account_updates_multi.txt",
            "req_account_updates_multi",
            (76, 1, 7, ACCOUNT, "", 0),
        ),
        ("executions.txt", "req_executions", (7, 3, 7, 0, "", "", "", "", "", "")),
        (
            "grounded_contract_details_aapl.txt",
            "req_contract_details",
            (9, 8, 7, *CONTRACT, 0, "", "", ""),
        ),
        ("pnl.txt", "req_pnl", (92, 7, ACCOUNT, "")),
        ("pnl_single.txt", "req_pnl_single", (94, 7, ACCOUNT, "", SPY)),
    ],
)
async def test_conversation_goes_as_recorded(
    gateway: GatewayHandle, file: str, request_kind: str, said: tuple[Any, ...]
) -> None:
    gateway.faults.change(execution_days=7)
    theirs = answered(file, request_kind)
    async with wire(gateway) as (client, _):
        client.say(*said)
        heard = await client.hear_until(theirs[-1])
    assert collapsed([KINDS[int(fields[0])] for fields in heard]) == theirs


async def test_snapshot_holds_what_was_recorded_and_ends(gateway: GatewayHandle) -> None:
    theirs = answered("quote_snapshot.txt", "req_quote")
    async with wire(gateway) as (client, _):
        client.say(1, 11, 7, *CONTRACT, 0, "", 1, 0, "")
        heard = await client.hear_until("tick_snapshot_end")
    ours = [KINDS[int(fields[0])] for fields in heard]
    assert set(theirs) <= set(ours)
    assert ours.index("market_data_type") < ours.index("tick_price")


async def test_delayed_data_is_announced_as_recorded(gateway: GatewayHandle) -> None:
    (theirs,) = [row for _, kind, row in lines("quote_delayed_data.txt") if kind == "api_error"]
    gateway.faults.change(live_data=False)
    async with wire(gateway) as (client, _):
        client.say(59, 1, 3)
        client.say(1, 11, 7, *CONTRACT, 0, "", 1, 0, "")
        heard = await client.hear_until("tick_snapshot_end")
    assert heard[0] == ["4", "2", "7", str(theirs["code"]), theirs["message"], ""]
    assert ["58", "1", "7", "3"] in heard


async def test_words_and_numbers_look_as_recorded(gateway: GatewayHandle) -> None:
    assert recorded_error(200)["message"] == NOT_FOUND
    gateway.faults.change(execution_days=7)
    async with wire(gateway) as (client, _):
        client.say(7, 3, 7, 0, "", "", "", "", "", "")
        heard = await client.hear_until("executions_end")
    executions = [fields for fields in heard if fields[0] == "11"]
    reports = [fields for fields in heard if fields[0] == "59"]
    (real,) = [row for row in recorded("execution_detail") if "US/Eastern" in row["time"]]
    unset = {row["realized_pnl"] for row in recorded("commission_report")}
    for execution_id, time in [(real["exec_id"], real["time"])] + [
        (fields[14], fields[15]) for fields in executions
    ]:
        assert re.fullmatch(r"[0-9a-f]{8}\.[0-9a-f]{8}\.\d\d\.\d\d", execution_id)
        assert re.fullmatch(r"\d{8} \d\d:\d\d:\d\d US/Eastern", time)
    assert executions
    assert {fields[5] for fields in reports} & unset == {"1.7976931348623157E308"}
