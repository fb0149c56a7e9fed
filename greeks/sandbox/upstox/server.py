"""The simulated Upstox: option chains, contracts and Greeks of the one market, behind its log-in.

One ASGI application serves the vendor's API and its log-in site. Answers change by the second:
every request for a chain within one market second gets the same bytes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth_tokens.sandbox.upstox.access import UpstoxAccess, error_answer
from config.core.sandbox.registry import SandboxContext
from greeks.domain import Contract
from greeks.sandbox.market import Market
from greeks.sandbox.upstox.limits import CallLimits
from greeks.sandbox.upstox.payloads import (
    SYMBOLS,
    chain_rows,
    contract_of,
    listed_contract,
    option_greeks,
    previous_interest,
)

MOST_KEYS: Final = 50
# Starlette runs them in threads.
Handler = Callable[[Request], Response]


class UpstoxMarket:
    """Builds the bodies. The market holds all state; the last bodies are cached."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[float, Any]] = {}

    def chain(self, symbol: str, expiry: date) -> bytes:
        """Return the chain of this second; no rows if the expiry is not listed."""
        second = float(int(self.market.seconds()))
        contracts = self.market.chain(symbol, expiry)
        if expiry not in self.market.expiries(symbol):
            contracts = ()

        def rows() -> bytes:
            return _success(chain_rows(self.market, contracts, interest, second))

        with self._lock:
            opened_at = self.market.session("NSE").opened_at
            before = partial(previous_interest, self.market, contracts)
            interest = self._kept_or("interest", symbol, expiry, opened_at, before)
            body: bytes = self._kept_or("chain", symbol, expiry, second, rows)
        return body

    def contracts(self, symbol: str, expiry: date | None) -> bytes:
        """Return every listed contract, of one expiry or of all."""
        listed = self.market.expiries(symbol)
        chosen = listed if expiry is None else [each for each in listed if each == expiry]
        rows = [
            listed_contract(contract)
            for each in chosen
            for contract in self.market.chain(symbol, each)
        ]
        return _success(rows)

    def greeks(self, contracts: list[Contract]) -> bytes:
        return _success(option_greeks(self.market, contracts, float(int(self.market.seconds()))))

    def _kept_or(
        self, what: str, symbol: str, expiry: date, moment: float, make: Callable[[], Any]
    ) -> Any:
        """Return the body cached for this moment, else a new one.

        Only the last of each chain is kept.
        """
        name = (what, f"{symbol} {expiry}")
        made_for, made = self._kept.get(name, (None, None))
        if made_for != moment:
            made = make()
            self._kept[name] = (moment, made)
        return made


class _Refused(Exception):
    """The request is answered with 400: the vendor's code, a message, the parameter."""


class UpstoxServer:
    """Handlers of one running server."""

    def __init__(self, market: Market, *, access: UpstoxAccess, limits: CallLimits) -> None:
        self.market = UpstoxMarket(market)
        self.access = access
        self.limits = limits

    def chain(self, request: Request) -> Response:
        """``/v2/option/chain``."""
        symbol, expiry = self._underlying(request), _expiry(request)
        if expiry is None:
            raise _Refused("UDAPI100036", "Invalid Input", "expiry_date")
        return _json(self.market.chain(symbol, expiry))

    def contracts(self, request: Request) -> Response:
        """``/v2/option/contract``."""
        return _json(self.market.contracts(self._underlying(request), _expiry(request)))

    def greeks(self, request: Request) -> Response:
        """``/v3/market-quote/option-greek``."""
        keys = [key for key in request.query_params.get("instrument_key", "").split(",") if key]
        if not keys:
            raise _Refused("UDAPI1009", "instrument_key is required", "instrument_key")
        if len(keys) > MOST_KEYS:
            message = f"The maximum number of instruments in one request is {MOST_KEYS}"
            raise _Refused("UDAPI100042", message, "instrument_key")
        found = [contract_of(self.market.market, key) for key in keys]
        if not any(found):
            raise _Refused("UDAPI100011", "Invalid Instrument key", "instrument_key")
        return _json(self.market.greeks([contract for contract in found if contract]))

    def _underlying(self, request: Request) -> str:
        key = request.query_params.get("instrument_key", "")
        if not key:
            raise _Refused("UDAPI1009", "instrument_key is required", "instrument_key")
        symbol = SYMBOLS.get(key, "")
        # A recorded chain's market has one underlying, rarely one of these.
        if symbol not in self.market.market.underlyings():
            raise _Refused("UDAPI100011", "Invalid Instrument key", "instrument_key")
        return symbol

    def guarded(self, handler: Handler) -> Handler:
        """Wrap a handler in the closing hours, the token check and the limits."""

        def answer(request: Request) -> Response:
            refusal = self.access.refusal(request)
            if refusal is not None:
                return refusal
            if not self.limits.take():
                return error_answer(429, "UDAPI10005", "Too Many Request Sent")
            try:
                return handler(request)
            except _Refused as refused:
                code, message, path = refused.args
                return error_answer(400, code, message, path=path)

        return answer


def _expiry(request: Request) -> date | None:
    text = request.query_params.get("expiry_date", "")
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise _Refused("UDAPI100036", "Invalid Input", "expiry_date") from None


def _success(data: Any) -> bytes:
    return msgspec.json.encode({"status": "success", "data": data})


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def build_server(context: SandboxContext) -> Starlette:
    """Return the ASGI application; its state holds ``access`` and ``limits`` for tests.

    A demo's sandbox is open at night; one that enforces limits also keeps the vendor's hours.
    """
    access = UpstoxAccess(closed_at_night=context.limits)
    server = UpstoxServer(context.market, access=access, limits=CallLimits(enabled=context.limits))
    routes: dict[str, Handler] = {
        "/v2/option/chain": server.chain,
        "/v2/option/contract": server.contracts,
        "/v3/market-quote/option-greek": server.greeks,
    }
    application = Starlette(
        routes=[
            *(Route(path, server.guarded(handler)) for path, handler in routes.items()),
            *access.routes(),
        ]
    )
    application.state.access = access
    application.state.limits = server.limits
    return application
