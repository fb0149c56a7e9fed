"""An Upstox provider on scripted answers or on a market, rows of its shape, and its samples."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.core.http.responses import Answer
from greeks.chains import OptionChain
from greeks.providers.upstox.chains import decode_chain
from greeks.providers.upstox.client import UpstoxClient
from greeks.providers.upstox.provider import UpstoxProvider
from greeks.sandbox.market import Market
from greeks.sandbox.upstox.payloads import SYMBOLS
from greeks.sandbox.upstox.server import UpstoxMarket

Handler = Callable[[httpx.Request], httpx.Response]
# Breakers, pauses and budgets go by server: no test inherits another's.
_hosts = map("upstox{}.test".format, count())

NIFTY = "NSE_INDEX|Nifty 50"
EXPIRY = date(2026, 12, 1)
AS_OF = datetime(2026, 11, 27, 5, 0, tzinfo=UTC)


def recorded(name: str) -> Any:
    """Return a sample of the vendor's documentation; skips the test where there is none."""
    root = Path(__file__).resolve().parents[3]
    folder = Path(os.environ.get("GREEKDESK_FIXTURES", root.parent / "shared" / "fixtures"))
    path = folder / "upstox" / f"{name}.json"
    if not path.exists():
        pytest.skip("the recorded answers are not here")
    return json.loads(path.read_text())


class ScriptedToken:
    """The tokens of a list, one renewal each; remembers which were refused."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens or ["a-secret-token"])
        self.refused: list[str] = []

    def authorise(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.tokens[0]}"}

    def renew(self) -> None:
        self.refused.append(self.tokens[0])
        if len(self.tokens) > 1:
            self.tokens.pop(0)


def provider(handler: Handler, *, underlyings: Any = dict, **options: Any) -> UpstoxProvider:
    values: dict[str, Any] = {"timeout": 2.0, "token": ScriptedToken()}
    transport = httpx.MockTransport(handler)
    return UpstoxProvider(
        UpstoxClient(f"https://{next(_hosts)}", transport=transport, **(values | options)),
        underlyings=underlyings,
    )


def answering(*bodies: Any, **options: Any) -> UpstoxProvider:
    """Return a provider that gets one body after the other; the last one repeats."""
    waiting = list(bodies)

    def handler(_: httpx.Request) -> httpx.Response:
        body = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return body if isinstance(body, httpx.Response) else httpx.Response(200, json=body)

    return provider(handler, **options)


def of_market(market: Market, **options: Any) -> UpstoxProvider:
    """Return a provider on the sandbox's own bodies, without a server in between.

    A session in seconds.
    """
    bodies = UpstoxMarket(market)

    def handler(request: httpx.Request) -> httpx.Response:
        symbol = SYMBOLS[request.url.params["instrument_key"]]
        if request.url.path == "/v2/option/contract":
            return httpx.Response(200, content=bodies.contracts(symbol, None))
        expiry = date.fromisoformat(request.url.params["expiry_date"])
        return httpx.Response(200, content=bodies.chain(symbol, expiry))

    return provider(handler, **options)


def side(key: str = "NSE_FO|1", **changes: Any) -> dict[str, Any]:
    """Return a call or a put as the vendor sends it; changes go to wherever the field is."""
    market = {
        "ltp": 120.5,
        "volume": 150_000,
        "oi": 750_000.0,
        "close_price": 100.25,
        "bid_price": 120.0,
        "bid_qty": 75,
        "ask_price": 121.0,
        "ask_qty": 150,
        "prev_oi": 600_000.0,
    }
    greeks = {"vega": 12.5, "theta": -9.25, "gamma": 0.0009, "delta": 0.51, "iv": 12.5, "pop": 49}
    for name, value in changes.items():
        (market if name in market else greeks)[name] = value
    return {"instrument_key": key, "market_data": market, "option_greeks": greeks}


def strike(price: float = 26000.0, **changes: Any) -> dict[str, Any]:
    row = {
        "expiry": EXPIRY.isoformat(),
        "pcr": 1.25,
        "strike_price": price,
        "underlying_key": NIFTY,
        "underlying_spot_price": 26012.35,
        "call_options": side(f"NSE_FO|{price:g}1"),
        "put_options": side(f"NSE_FO|{price:g}2", delta=-0.49),
    }
    return row | changes


def chain_body(*rows: Any) -> dict[str, Any]:
    return {"status": "success", "data": list(rows)}


def decoded(body: Any, *, instrument_key: str = NIFTY, expiry: date = EXPIRY) -> OptionChain:
    """Return the chain in a body (an object, or text as it came)."""
    content = body if isinstance(body, str) else json.dumps(body)
    answer = Answer("upstox", "upstox GET /v2/option/chain", 200, {}, content.encode())
    return decode_chain(answer, instrument_key=instrument_key, expiry=expiry, as_of=AS_OF)


def failure(status: int, code: str, message: str = "No.") -> httpx.Response:
    """Return the vendor's envelope of errors."""
    error = {"errorCode": code, "message": message, "propertyPath": None, "invalidValue": None}
    return httpx.Response(status, json={"status": "error", "errors": [error]})
