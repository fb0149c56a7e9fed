"""Small chain files of the recorded files' shapes, made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CBOE_ROW: dict[str, Any] = {
    "option": "XYZ260918C00100000",
    "bid": 4.9,
    "bid_size": 10.0,
    "ask": 5.1,
    "ask_size": 12.0,
    "iv": 0.2512,
    "open_interest": 321.0,
    "volume": 12.0,
    "delta": 0.5312,
    "gamma": 0.0211,
    "theta": -0.0301,
    "rho": 0.0812,
    "vega": 0.1402,
    "theo": 5.0,
    "open": 0.0,
    "last_trade_price": 0.0,
    "last_trade_time": None,
    "prev_day_close": 4.25,
}


def cboe(**changes: Any) -> dict[str, Any]:
    """Cboe's form: a call and a put at 100, and a put that has just expired."""
    put = CBOE_ROW | {"option": "XYZ260918P00100000", "delta": -0.4688, "bid": 4.6, "ask": 4.8}
    expired = CBOE_ROW | {
        "option": "XYZW260814P00090000",
        "bid": 0.0,
        "ask": 0.05,
        "iv": 0.0,
        "delta": 0.0,
        "gamma": 0.0,
        "theta": 0.0,
        "vega": 0.0,
        "rho": 0.0,
    }
    content: dict[str, Any] = {
        "timestamp": "2026-08-15 01:00:00",
        "symbol": "_XYZ",
        "data": {
            "symbol": "^XYZ",
            "security_type": "index",
            "current_price": 100.25,
            "open": 101.0,
            "bid": 0.0,
            "ask": 0.0,
            "prev_day_close": 102.5,
            "volume": 0,
            "options": [CBOE_ROW, put, expired],
        },
    }
    data = changes.pop("data", {})
    return content | {"data": content["data"] | data} | changes


def normalised(**changes: Any) -> dict[str, Any]:
    """Return the other tool's form: one call and one put, some values missing."""
    row = {
        "symbol": "XYZ260918C00100000",
        "expiration": "2026-09-18",
        "side": "call",
        "strike": 100.0,
        "bid": 4.9,
        "ask": 5.1,
        "mid": 5.0,
        "last": 4.8,
        "volume": None,
        "openInterest": 7.0,
        "iv": 0.0,
        "delta": 0.53,
        "gamma": 0.02,
        "theta": -0.03,
        "vega": 0.14,
        "rho": 0.08,
    }
    put = row | {"symbol": "XYZ260918P00100000", "side": "put", "bid": None, "mid": None}
    return {
        "symbol": "XYZ",
        "updated": "2026-08-14T15:00:00-04:00",
        "underlyingPrice": 100.25,
        "quotes": [row, put],
    } | changes


def write(folder: Path, content: object) -> Path:
    path = folder / "chain.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path
