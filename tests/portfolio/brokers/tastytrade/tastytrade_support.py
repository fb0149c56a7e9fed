"""A Tastytrade adapter on scripted answers, and the recorded answers where they are available."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
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
