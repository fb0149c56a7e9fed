"""A Polygon provider on scripted answers, rows of its shape, and the recorded answers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from config.core.sandbox.server import Sandbox
from greeks.domain import Contract, InstrumentKind, Right, Snapshot
from greeks.providers.polygon.client import PolygonClient
from greeks.providers.polygon.provider import PolygonProvider
from greeks.sandbox.polygon.rules import API_KEY

Handler = Callable[[httpx.Request], httpx.Response]
# Breakers, pauses and budgets go by server: no test inherits another's.
_hosts = map("polygon{}.test".format, count())

EXPIRY = date(2027, 1, 15)
UPDATED = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)


def recorded(name: str) -> Any:
    """Return the recorded answer of that name (or pattern); skips the test where there is none."""
    root = Path(__file__).resolve().parents[3]
    folder = Path(os.environ.get("GREEKDESK_FIXTURES", root.parent / "shared" / "fixtures"))
    files = list((folder / "massive").glob(f"{name}.json"))
    if not files:
        pytest.skip("the recorded answers are not here")
    return json.loads(files[0].read_text())


def provider(handler: Handler, **options: Any) -> PolygonProvider:
    return PolygonProvider(client(handler, **options))


def client(handler: Handler, **options: Any) -> PolygonClient:
    values: dict[str, Any] = {"api_key": "a-secret-key", "calls_per_minute": 0, "timeout": 2.0}
    return PolygonClient(
        f"https://{next(_hosts)}",
        transport=httpx.MockTransport(handler),
        **(values | options),
    )


def answering(*bodies: Any, **options: Any) -> PolygonProvider:
    """Return a provider that gets one body after the other; the last one repeats."""
    waiting = list(bodies)

    def handler(_: httpx.Request) -> httpx.Response:
        body = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(body, httpx.Response):
            return body
        return httpx.Response(200, json=body)

    return provider(handler, **options)


def option(
    strike: float = 150,
    underlying: str = "AAPL",
    right: Right = Right.CALL,
    expiry: date = EXPIRY,
    **changes: Any,
) -> Contract:
    root = changes.get("root", underlying)
    values: dict[str, Any] = {
        "kind": InstrumentKind.OPTION,
        "symbol": f"{root:<6}{expiry:%y%m%d}{right.value}{round(strike * 1000):08d}",
        "underlying": underlying,
        "root": root,
        "multiplier": Decimal(100),
        "currency": "USD",
        "expiry": expiry,
        "strike": Decimal(str(strike)),
        "right": right,
    }
    return Contract(**(values | changes))


def nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000


def row(contract: Contract, **changes: Any) -> dict[str, Any]:
    """Return a row of a chain as the vendor sends it."""
    ticker = f"O:{contract.symbol.replace(' ', '')}"
    values: dict[str, Any] = {
        "break_even_price": 162.0,
        "day": {
            "close": 11.5,
            "open": 11.0,
            "previous_close": 10.5,
            "volume": 42,
            "last_updated": nanoseconds(UPDATED.replace(hour=5, minute=0)),
        },
        "details": {
            "contract_type": "call" if contract.right is Right.CALL else "put",
            "exercise_style": "american",
            "expiration_date": str(contract.expiry),
            "shares_per_contract": 100,
            "strike_price": float(contract.strike or 0),
            "ticker": ticker,
        },
        "greeks": {"delta": 0.55, "gamma": 0.012, "theta": -0.04, "vega": 0.31},
        "implied_volatility": 0.27,
        "last_quote": {"ask": 12.1, "bid": 11.9, "last_updated": nanoseconds(UPDATED)},
        "last_trade": {"price": 12.0, "sip_timestamp": nanoseconds(UPDATED)},
        "open_interest": 8133,
        "underlying_asset": {
            "last_updated": nanoseconds(UPDATED),
            "price": 155.0,
            "ticker": contract.underlying,
            "timeframe": "REAL-TIME",
        },
    }
    return values | changes


def page(*rows: Any, next_url: str | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"status": "OK", "request_id": "r", "results": list(rows)}
    return body if next_url is None else body | {"next_url": next_url}


class Asked(list[httpx.Request]):
    """Answers each chain with the rows of its contracts, and remembers what was asked."""

    def __init__(self, contracts: list[Contract]) -> None:
        super().__init__()
        self.contracts = contracts

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.append(request)
        underlying = request.url.path.rsplit("/", 1)[-1]
        rows = [row(each) for each in self.contracts if each.underlying == underlying]
        return httpx.Response(200, json=page(*rows))

    @property
    def underlyings(self) -> list[str]:
        return [request.url.path.rsplit("/", 1)[-1] for request in self]


def query(request: httpx.Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.url.query.decode()).items()}


def of_sandbox(sandbox: Sandbox, **options: Any) -> PolygonProvider:
    values: dict[str, Any] = {"api_key": API_KEY, "calls_per_minute": 0, "timeout": 5.0}
    return PolygonProvider(PolygonClient(sandbox.url("polygon"), **(values | options)))


def decoded(sent: dict[str, Any], contract: Contract) -> Snapshot:
    """Return the snapshot of a chain's one row."""
    answer = answering(page(sent)).fetch_snapshots([contract])
    assert answer.rejected == ()
    [snapshot] = answer.items
    return snapshot
