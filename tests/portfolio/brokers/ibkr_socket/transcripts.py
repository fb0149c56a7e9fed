"""Transcripts of a real gateway as frames, replayed by a scripted one."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.portfolio.brokers.ibkr_socket.ibkr_socket_support import (
    Frame,
    ScriptedGateway,
    details,
    error,
    execution,
    position,
)

REQUESTS = {
    "req_account_summary": 62,
    "req_account_updates": 6,
    "req_account_updates_multi": 76,
    "req_positions": 61,
    "req_executions": 7,
    "req_quote": 1,
    "req_historical_bars": 20,
    "req_contract_details": 9,
}


def transcript(name: str) -> list[tuple[str, str, dict[str, Any]]]:
    """(side, message, values) of every line; skips the test where the recordings are absent."""
    root = Path(__file__).resolve().parents[4]
    folder = Path(os.environ.get("GREEKDESK_FIXTURES", root.parent / "shared" / "fixtures")) / "tws"
    if not folder.is_dir():
        pytest.skip("the recorded transcripts are not here")
    lines = []
    for line in (folder / f"{name}.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        side, _, rest = line.partition(" ")
        message, _, values = rest.partition(" ") if side in ("client", "server") else ("", "", rest)
        lines.append((side, message, json.loads(values) if values.startswith("{") else {}))
    return lines


def _contract(said: dict[str, Any]) -> dict[str, Any]:
    names = {
        "con_id": "conid", "symbol": "symbol", "sec_type": "secType", "expiry": "expiry",
        "strike": "strike", "right": "right", "multiplier": "multiplier", "exchange": "exchange",
        "currency": "currency", "local_symbol": "localSymbol", "trading_class": "tradingClass",
    }  # fmt: skip
    return {"conid": 0} | {ours: said[theirs] for theirs, ours in names.items() if theirs in said}


def _encode(message: str, said: dict[str, Any], request: object) -> Frame | None:
    """Return a line of the gateway as the frame that version 178 would be sent.

    None: not needed.
    """
    account = said.get("account", "")
    if message == "account_summary":
        return (63, 1, request, account, said["tag"], said["value"], said["currency"])
    if message == "update_account_value":
        return (6, 2, said["key"], said["value"], said["currency"], account)
    if message == "account_update_multi":
        return (73, 1, request, account, "", said["key"], said["value"], said["currency"])
    if message == "position":
        row = {"position": said["position"], "avgCost": said["avg_cost"]}
        return position(account, **_contract(said["contract"]), **row)
    if message == "update_portfolio":
        contract = _contract(said["contract"])
        contract.pop("exchange", None)
        return (
            7, 8, contract["conid"], contract["symbol"], contract["secType"], "", "0.0", "", "",
            said["contract"]["primary_exchange"], contract["currency"], contract["localSymbol"],
            contract["tradingClass"], said["position"], said["market_price"], said["market_value"],
            said["avg_cost"], said["unrealized_pnl"], said["realized_pnl"], account,
        )  # fmt: skip
    if message == "execution_detail":
        names = {"symbol", "side", "shares", "price", "time"}
        row = {name: said[name] for name in names}
        return execution(said["exec_id"], account, request=request, **row)
    if message == "commission_report":
        values = (said["exec_id"], said["commission"], said["currency"], said["realized_pnl"])
        return (59, 1, *values, "", "")
    if message == "api_error":
        return error(said["code"], said["message"], said["req_id"])
    if message == "tick_price":
        return (1, 6, request, said["field"], said["price"], "1", 0)
    if message == "tick_size":
        return (2, 6, request, said["field"], said["size"])
    if message == "tick_generic":
        return (45, 6, request, said["field"], said["value"])
    if message == "tick_string":
        return (46, 6, request, said["field"], said["value"])
    if message == "market_data_type":
        return (58, 1, request, said["data_type"])
    ends = {
        "account_summary_end": (64, 1, request),
        "account_update_multi_end": (74, 1, request),
        "account_download_end": (54, 1, account),
        "position_end": (62, 1),
        "executions_end": (55, 1, request),
    }
    return ends.get(message)


def _replies(lines: Sequence[tuple[str, str, dict[str, Any]]]) -> dict[int, list[Any]]:
    """Return, by request number, the gateway's answer to the first one and whether it hung up."""
    replies: dict[int, list[Any]] = {}
    current: list[Any] = []
    for side, message, said in lines:
        if side == "client" and message in REQUESTS:
            fresh: list[Any] = []
            current = replies.setdefault(REQUESTS[message], fresh)
        elif side == "server":
            current.append((message, said))
    return replies


def replay(name: str, *accounts: str) -> ScriptedGateway:
    lines = transcript(name)
    said: list[str] = next(
        (values["accounts"] for _, message, values in lines if message == "managed_accounts"), []
    )
    gateway = ScriptedGateway(accounts or said)
    for number, messages in _replies(lines).items():
        place = 3 if number == 61 else 2

        def answer(fields: list[str], messages: Any = messages, place: int = place) -> list[Frame]:
            request = fields[place] if len(fields) > place else ""
            frames = (_encode(message, values, request) for message, values in messages)
            return [frame for frame in frames if frame is not None]

        gateway.answers[number] = answer
    gateway.answers[9] = lambda fields: [
        details(fields[2], 265598, fields[4] or "AAPL"),
        (52, 1, fields[2]),
    ]
    return gateway
