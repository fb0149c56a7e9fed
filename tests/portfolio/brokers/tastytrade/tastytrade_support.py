"""A Tastytrade adapter on scripted answers, and the recorded answers where they are available."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.core.http.caller import HttpCaller
from portfolio.brokers.tastytrade.adapter import TastytradeAdapter

# Breakers, pauses and budgets go by name: no test inherits another's.
_names = map("tastytrade-{}".format, count())

Handler = Callable[[httpx.Request], httpx.Response]


def recorded(name: str) -> Any:
    """Return the recorded answer of that name; skips the test where the recordings are absent."""
    root = Path(__file__).resolve().parents[4]
    folder = Path(os.environ.get("GREEKDESK_FIXTURES", root.parent / "shared" / "fixtures"))
    file = folder / "tastytrade" / f"{name}.json"
    if not file.is_file():
        pytest.skip("the recorded answers are not here")
    return json.loads(file.read_text())


def scripted_adapter(handler: Handler) -> TastytradeAdapter:
    """Return an adapter that is logged in and whose requests ``handler`` answers."""
    return TastytradeAdapter(
        caller=HttpCaller(
            next(_names),
            "https://tastytrade.test",
            timeout=2.0,
            transport=httpx.MockTransport(handler),
        )
    )


def answering(body: Any, **others: Any) -> TastytradeAdapter:
    """Return an adapter that gets ``body`` for every path except ``others`` (by last part)."""

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=others.get(request.url.path.rsplit("/", 1)[-1], body))

    return scripted_adapter(handler)


def answering_text(text: str) -> TastytradeAdapter:
    """Return an adapter that gets ``text``, labelled as JSON, for every path."""

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=text, headers={"content-type": "application/json"})

    return scripted_adapter(handler)


ACCOUNT = "5WX00001"
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
POSITION = {
    "account-number": ACCOUNT,
    "symbol": "SPY   270115P00600000",
    "instrument-type": "Equity Option",
    "underlying-symbol": "SPY",
    "quantity": 3,
    "quantity-direction": "Long",
    "close-price": "4.5",
    "average-open-price": "5.25",
    "mark-price": "4.75",
    "multiplier": 100,
}
LEG = {
    "instrument-type": "Equity Option",
    "symbol": "SPY   270115P00600000",
    "quantity": 2,
    "remaining-quantity": 2,
    "action": "Sell to Open",
}
ORDER = {
    "id": 7,
    "account-number": ACCOUNT,
    "time-in-force": "Day",
    "order-type": "Limit",
    "size": 1,
    "price": "1.2",
    "price-effect": "Credit",
    "status": "Live",
    "received-at": "2026-11-20T15:00:00.000+00:00",
    "updated-at": 0,
    "legs": [LEG],
}
FILL = {
    "id": 9,
    "account-number": ACCOUNT,
    "symbol": "SPY",
    "instrument-type": "Equity",
    "transaction-type": "Trade",
    "transaction-sub-type": "Buy to Open",
    "action": "Buy to Open",
    "quantity": "10.0",
    "price": "600.5",
    "executed-at": "2026-11-20T15:00:00.000+00:00",
}


def items(*rows: Any) -> dict[str, Any]:
    return {"data": {"items": list(rows)}}
