"""A portal bridge on scripted or recorded answers, for the tests of this folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.core.http.caller import HttpCaller
from greeks.domain import Contract, InstrumentKind, Right
from portfolio.brokers.ibkr_portal.adapter import PortalBridge
from portfolio.brokers.ibkr_portal.gateway import PortalGateway
from portfolio.brokers.ibkr_portal.session import GatewayMemory, PortalSession

ACCOUNT = "U1234567"
OPEN_SESSION = {"authenticated": True, "established": True, "competing": False, "connected": True}

# What the process remembers of contracts goes by address: no test inherits another's.
_addresses = map("https://portal-{}.test/v1/api".format, count())

Answers = Mapping[str, Any]


def recordings() -> Path:
    """Return the folder of recorded answers; skips the test where it is absent."""
    root = Path(__file__).resolve().parents[4]
    folder = Path(os.environ.get("GREEKDESK_FIXTURES", root.parent / "shared" / "fixtures"))
    folder /= "ibkr_portal"
    if not folder.is_dir():
        pytest.skip("the recorded answers are not here")
    return folder


def recorded_body(name: str) -> Any:
    """Return the body of the recording ``Portfolio/GET-portfolio-ledger``."""
    return json.loads((recordings() / f"{name}.json").read_text())["Response"]["Body"]


def bridge_on(
    handler: Callable[[httpx.Request], httpx.Response], *, snapshot_seconds: float = 0.0
) -> PortalBridge:
    """Return a bridge whose requests ``handler`` answers; paths begin after the base."""
    return PortalBridge(gateway_on(handler), snapshot_seconds=snapshot_seconds)


def gateway_on(handler: Callable[[httpx.Request], httpx.Response]) -> PortalGateway:
    """Return a gateway whose requests ``handler`` answers; paths begin after the base."""
    base_url = next(_addresses)

    def answer(request: httpx.Request) -> httpx.Response:
        request.extensions["path"] = request.url.path.removeprefix("/v1/api")
        return handler(request)

    def caller(renew: Callable[[], None] | None) -> HttpCaller:
        transport = httpx.MockTransport(answer)
        return HttpCaller(
            base_url, base_url, timeout=2.0, attempts=1, renew=renew, transport=transport
        )

    session = PortalSession(GatewayMemory(base_url), caller(None))
    return PortalGateway(base_url, caller(session.reopen), session)


def answering(answers: Answers, **options: Any) -> PortalBridge:
    """Return a bridge with an open session, on ``handler_of`` the answers."""
    return bridge_on(handler_of(answers), **options)


def handler_of(answers: Answers) -> Callable[[httpx.Request], httpx.Response]:
    """Return what answers a gateway's requests in an open session.

    ``answers`` by path, also as functions of the request.
    """
    usual: dict[str, Any] = {
        "/tickle": {"iserver": {"authStatus": OPEN_SESSION}},
        "/portfolio/accounts": [],
        "/iserver/accounts": {"accounts": [ACCOUNT]},
        f"/portfolio/{ACCOUNT}/positions/invalidate": {"message": "success"},
        f"/portfolio/{ACCOUNT}/positions/1": [],
        "/trsrv/secdef": {"secdef": []},
    }

    def handler(request: httpx.Request) -> httpx.Response:
        answer = {**usual, **answers}.get(request.extensions["path"])
        if callable(answer):
            answer = answer(request)
        if answer is None:
            return httpx.Response(404, json={"error": "no such path"})
        if isinstance(answer, httpx.Response):
            return answer
        return httpx.Response(200, text=json.dumps(answer))

    return handler


def positions_answering(rows: Any, **answers: Any) -> PortalBridge:
    return answering({f"/portfolio/{ACCOUNT}/positions/0": rows, **answers})


def stock_row(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "acctId": ACCOUNT,
        "conid": 756733,
        "contractDesc": "SPY",
        "position": 44.0,
        "mktPrice": 655.89,
        "mktValue": 28859.16,
        "currency": "USD",
        "avgCost": 652.47,
        "avgPrice": 652.47,
        "realizedPnl": 0.0,
        "unrealizedPnl": 150.48,
        "expiry": None,
        "putOrCall": None,
        "multiplier": 0.0,
        "strike": "0",
        "assetClass": "STK",
        "model": "",
    }
    return row | changes


def option_row(**changes: Any) -> dict[str, Any]:
    row = stock_row(
        conid=653556783,
        contractDesc="SPY    JAN2027 600 C [SPY   270115C00600000 100]",
        position=-5.0,
        mktPrice=71.2,
        mktValue=-35600.0,
        avgCost=6850.0,
        avgPrice=68.5,
        expiry="20270115",
        putOrCall="C",
        multiplier=100.0,
        strike="600",
        assetClass="OPT",
    )
    return row | changes


def without(row: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in fields}


AT = datetime(2026, 4, 2, 22, 40, tzinfo=UTC)
UNSET = 1.7976931348623157e308
OPTION = Contract(
    kind=InstrumentKind.OPTION,
    symbol="SPY   270115C00600000",
    underlying="SPY",
    multiplier=Decimal(100),
    currency="USD",
    root="SPY",
    expiry=date(2027, 1, 15),
    strike=Decimal(600),
    right=Right.CALL,
    aliases={"ibkr": "653556783"},
)


def order_row(**changes: Any) -> dict[str, Any]:
    row = {
        "account": ACCOUNT,
        "conid": 653556783,
        "conidex": "653556783",
        "orderId": 1,
        "cashCcy": "USD",
        "secType": "OPT",
        "ticker": "SPY",
        "totalSize": 5.0,
        "filledQuantity": 0.0,
        "remainingQuantity": 5.0,
        "status": "Submitted",
        "origOrderType": "LIMIT",
        "price": "1.25",
        "timeInForce": "GTC",
        "side": "BUY",
    }
    return row | changes


def trade_row(**changes: Any) -> dict[str, Any]:
    row = {
        "execution_id": "0000e0d5.6576fd38.01.01",
        "account": ACCOUNT,
        "conid": 653556783,
        "side": "S",
        "size": 5.0,
        "price": "192.26",
        "commission": "1.01",
        "trade_time": "20231211-18:00:49",
        "trade_time_r": 1702317649000,
        "sec_type": "OPT",
    }
    return row | changes
