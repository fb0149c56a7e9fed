"""Cboe's provider over a server that a test scripts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

import httpx

from greeks.providers.cboe.client import CboeClient
from greeks.providers.cboe.provider import CboeProvider
from tests.greeks.sandbox.chains import cboe

SEPTEMBER, EXPIRED = date(2026, 9, 18), date(2026, 8, 14)
AS_OF = datetime(2026, 8, 15, 1, 0, tzinfo=UTC)
_hosts = map("cboe{}.test".format, count())


def provider(handler: Callable[[httpx.Request], httpx.Response], **options: Any) -> CboeProvider:
    values: dict[str, Any] = {"refresh_seconds": 60.0}
    transport = httpx.MockTransport(handler)
    return CboeProvider(
        CboeClient(f"https://{next(_hosts)}", transport=transport, **(values | options))
    )


class Store:
    """Serves one body (or a function of the request), and records the requests."""

    def __init__(self, body: Any, *, etag: str = "") -> None:
        self.body, self.etag = body, etag
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if isinstance(self.body, httpx.Response):
            return self.body
        if self.etag and request.headers.get("if-none-match") == self.etag:
            return httpx.Response(304)
        return httpx.Response(200, json=self.body, headers={"ETag": self.etag} if self.etag else {})


def with_options(*options: Any) -> dict[str, Any]:
    return cboe(data={"options": list(options)})
