"""The simulated store of Cboe's files: delayed quotes, renewed every fifteen seconds, and an
index's daily prices.
"""

from __future__ import annotations

import hashlib
import threading
from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from config.core.sandbox.registry import SandboxContext
from greeks.domain import InstrumentKind
from greeks.sandbox.cboe.daily_prices import daily_prices
from greeks.sandbox.cboe.payloads import quote_file
from greeks.sandbox.market import Market

#: Age of the quotes in a file. A recorded chain is served as it stands.
DELAY_SECONDS: Final = 900
MADE_EVERY_SECONDS: Final = 15
_MISSING: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
)


class CboeServer:
    """Keeps the last file of each symbol; the market holds all other state."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, bytes]] = {}

    def quotes(self, request: Request) -> Response:
        """``/delayed_quotes/options/{name}.json``: ``_VIX`` for an index, ``SPY`` for a stock."""
        name = request.path_params["name"]
        symbol = name.removeprefix("_")
        if not self._has(symbol, is_index=name.startswith("_")):
            # Like the vendor's store, a missing file answers 403, not 404.
            return Response(_MISSING, status_code=403, media_type="application/xml")
        body = self.file(symbol)
        etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        headers = {"ETag": etag, "Cache-Control": f"max-age={MADE_EVERY_SECONDS}"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    def daily_prices(self, request: Request) -> Response:
        """``/us_indices/daily_prices/{symbol}_History.csv``."""
        name, _, rest = request.path_params["name"].partition("_")
        text = daily_prices(self.market, name) if rest == "History.csv" else None
        if text is None:
            return Response(_MISSING, status_code=403, media_type="application/xml")
        return Response(text, media_type="text/csv")

    def _has(self, symbol: str, *, is_index: bool) -> bool:
        if symbol not in self.market.underlyings():
            return False
        found = self.market.underlying(symbol)
        return found.currency == "USD" and (found.kind is InstrumentKind.INDEX) == is_index

    def file(self, symbol: str) -> bytes:
        seconds = self.market.seconds()
        delay = 0
        if not self.market.recorded:
            seconds, delay = seconds // MADE_EVERY_SECONDS * MADE_EVERY_SECONDS, DELAY_SECONDS
        with self._lock:
            made_at, body = self._kept.get(symbol, (None, b""))
            if made_at != seconds:
                content = quote_file(self.market, symbol, seconds=seconds - delay, stamped=seconds)
                body = msgspec.json.encode(content)
                self._kept[symbol] = (seconds, body)
        return body


def build_server(context: SandboxContext) -> Starlette:
    """Return the ASGI application."""
    server = CboeServer(context.market)
    return Starlette(
        routes=[
            Route("/delayed_quotes/options/{name}.json", server.quotes),
            Route("/us_indices/daily_prices/{name}", server.daily_prices),
        ]
    )
