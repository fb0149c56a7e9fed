"""The simulated gateway is no witness of its own: its messages beside a real gateway's.

The transcripts are decoded, and of server version 200. Where a message has the same fields there,
the recorded values must leave our encoder in the recorded order, and a conversation must go as the
recorded one went.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from ib_async import IB
from ib_async.decoder import Decoder

from greeks.domain import Contract, InstrumentKind, Right
from portfolio.sandbox import ibkr_socket_messages as messages
from portfolio.sandbox.ibkr_socket_contracts import NOT_FOUND
from portfolio.sandbox.ibkr_socket_frames import Fields, text
from tests.portfolio.sandbox.ib_clients import ACCOUNT, SPY
from tests.sandbox_server import GatewayHandle

pytestmark = pytest.mark.anyio
Row = dict[str, Any]

#: Message number → what the transcripts call it.
KINDS = {
    1: "tick_price",
    2: "tick_size",
    4: "api_error",
    5: "open_order",
    3: "order_status",
    6: "update_account_value",
    7: "update_portfolio",
    8: "update_account_time",
    9: "next_valid_id",
    10: "contract_details",
    11: "execution_detail",
    15: "managed_accounts",
    17: "historical_bar",
    52: "contract_details_end",
    53: "open_order_end",
    54: "account_download_end",
    55: "executions_end",
    57: "tick_snapshot_end",
    58: "market_data_type",
    59: "commission_report",
    61: "position",
    62: "position_end",
    63: "account_summary",
    64: "account_summary_end",
    71: "position_multi",
    72: "position_multi_end",
    73: "account_update_multi",
    74: "account_update_multi_end",
    81: "tick_req_params",
    94: "pnl",
    95: "pnl_single",
    102: "completed_order_end",
}


def transcripts() -> Path:
    root = Path(__file__).resolve().parents[3]
    folder = Path(os.environ.get("GREEKDESK_FIXTURES", root.parent / "shared" / "fixtures"))
    if not (folder / "tws").is_dir():
        pytest.skip("the recorded transcripts are not here")
    return folder / "tws"


def lines(pattern: str = "*.txt") -> Iterator[tuple[str, str, Row]]:
    """Who spoke, what, and with which fields."""
    for file in sorted(transcripts().glob(pattern)):
        for line in file.read_text().splitlines():
            who, _, rest = line.partition(" ")
            kind, _, body = rest.partition(" ")
            if who in ("server", "client"):
                yield who, kind, json.loads(body or "{}")


def recorded(kind: str) -> list[Row]:
    rows = [row for who, said, row in lines() if (who, said) == ("server", kind)]
    assert rows
    return rows


def number(value: Any) -> int:
    """Request ids are names in the transcripts."""
    return 7 if isinstance(value, str) and value.startswith("$") else int(value)


def float_of(value: str) -> float:
    return float(value.replace("E", "e"))


ENCODED: dict[str, Callable[[Row], Fields]] = {
    "account_summary": lambda r: messages.account_summary(
        number(r["req_id"]), r["account"], r["tag"], r["value"], r["currency"]
    ),
    "update_account_value": lambda r: messages.account_value(
        r["key"], r["value"], r["currency"], r["account"]
    ),
    "account_update_multi": lambda r: messages.account_update_multi(
        number(r["req_id"]), r["account"], r["model_code"], r["key"], r["value"], r["currency"]
    ),
    "commission_report": lambda r: messages.commission_report(
        r["exec_id"], float_of(r["commission"]), r["currency"], r["realized_pnl"]
    ),
    "api_error": lambda r: messages.error(number(r["req_id"]), r["code"], r["message"]),
    "market_data_type": lambda r: messages.market_data_type(number(r["req_id"]), r["data_type"]),
    "pnl": lambda r: messages.profit_and_loss(
        number(r["req_id"]),
        float_of(r["daily_pnl"]),
        float_of(r["unrealized_pnl"]),
        float_of(r["realized_pnl"]),
    ),
    "pnl_single": lambda r: messages.profit_and_loss_single(
        number(r["req_id"]),
        int(r["position"]),
        float_of(r["daily_pnl"]),
        float_of(r["unrealized_pnl"]),
        float_of(r["realized_pnl"]),
        float_of(r["value"]),
    ),
    "tick_price": lambda r: messages.tick_price(
        number(r["req_id"]), r["field"], float_of(r["price"]), "", 0
    ),
    "tick_size": lambda r: messages.tick_size(number(r["req_id"]), r["field"], int(r["size"])),
}


def same(ours: str, theirs: Any) -> bool:
    """Equal as text, or as numbers: decimals were kept as they were printed."""
    said = str(number(theirs)) if str(theirs).startswith("$") else str(theirs)
    try:
        return ours == said or float_of(ours) == float_of(said)
    except ValueError:
        return False


@pytest.mark.parametrize("kind", sorted(ENCODED))
def test_recorded_values_leave_in_the_recorded_order(kind: str) -> None:
    for row in recorded(kind):
        # Version 200 adds the error's time; a message begins with its number and, here, a version.
        theirs = [value for name, value in row.items() if name != "error_time_ms"]
        ours = [text(field) for field in ENCODED[kind](row)]
        head = 1 if ours[0] in ("94", "95") else 2
        told = ours[head : head + len(theirs)]
        assert all(map(same, told, theirs)), (told, theirs)
        assert KINDS[int(ours[0])] == kind


def contract_of(row: Row) -> Contract:
    """Our contract of a recorded one."""
    option = row["sec_type"] == "OPT"
    return Contract(
        kind=InstrumentKind.OPTION if option else InstrumentKind.STOCK,
        symbol=row["local_symbol"] or row["symbol"],
        underlying=row["symbol"],
        root=row.get("trading_class", ""),
        multiplier=Decimal(row.get("multiplier") or 1),
        currency=row["currency"],
        expiry=date.fromisoformat(row["expiry"]) if option else None,
        strike=Decimal(row["strike"]) if option else None,
        right=Right(row["right"]) if option else None,
        exchange=row["exchange"],
        aliases={"ibkr": str(row.get("con_id", 0))},
    )


def decoded(fields: Fields, method: str) -> tuple[Any, ...]:
    """What unmodified ib_async makes of the message at version 178."""
    seen: list[tuple[Any, ...]] = []
    ib = IB()
    setattr(ib.wrapper, method, lambda *arguments: seen.append(arguments))
    Decoder(ib.wrapper, 178).interpret([text(field) for field in fields])
    return seen[0]


def test_recorded_positions_are_decoded_as_they_were() -> None:
    rows = [row for row in recorded("position") if row["contract"]["sec_type"] in ("STK", "OPT")]
    for row in rows:
        said, contract = row["contract"], contract_of(row["contract"])
        columns = messages.contract_columns(contract, messages.listing_exchange(contract))
        account, told, quantity, cost = decoded(
            messages.position(
                row["account"], columns, int(row["position"]), float(row["avg_cost"])
            ),
            "position",
        )
        assert (account, quantity, cost) == (
            row["account"],
            float(row["position"]),
            float(row["avg_cost"]),
        )
        assert (told.conId, told.symbol, told.secType, told.exchange) == (
            said.get("con_id", 0),
            said["symbol"],
            said["sec_type"],
            said["exchange"],
        ), "an option's exchange is empty, a share's is not"
        assert told.lastTradeDateOrContractMonth == said.get("expiry", "")
        assert (told.strike, told.right) == (float(said.get("strike", 0)), said.get("right", ""))
        assert told.multiplier == said.get("multiplier", "")
    assert {row["contract"]["sec_type"] for row in rows} == {"STK", "OPT"}


def test_recorded_executions_are_decoded_as_they_were() -> None:
    rows = [row for row in recorded("execution_detail") if "US/Eastern" in row["time"]]
    for row in rows:
        columns = (0, row["symbol"], "STK", "", 0.0, "", "", "SMART", "USD", row["symbol"], "")
        execution = messages.Execution(
            execution_id=row["exec_id"],
            time=row["time"],
            account=row["account"],
            exchange="SMART",
            side=row["side"],
            shares=int(row["shares"]),
            price=float(row["price"]),
            permanent_id=1,
            client_id=0,
            liquidation=0,
            cumulative_quantity=int(row["shares"]),
            average_price=float(row["price"]),
        )
        request_id, contract, told = decoded(
            messages.execution_details(row["req_id"], row["order_id"], columns, execution),
            "execDetails",
        )
        assert (request_id, contract.symbol) == (row["req_id"], row["symbol"])
        assert (told.orderId, told.execId, told.acctNumber) == (
            row["order_id"],
            row["exec_id"],
            row["account"],
        )
        assert (told.side, told.shares, told.price) == (
            row["side"],
            float(row["shares"]),
            float(row["price"]),
        )
        assert f"{told.time:%Y%m%d %H:%M:%S}" == "20260413 19:27:04", "Eastern daylight time"
    assert rows


# --- Conversations --------------------------------------------------------------------------------
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
    """A started session and what it was told on the way."""
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


def recorded_error(code: int) -> Row:
    return next(row for row in recorded("api_error") if row["code"] == code)
