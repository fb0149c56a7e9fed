"""The simulated Polygon.io (Massive): the vendor's REST protocol over the one market."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from config.core.sandbox.registry import SandboxContext
from greeks.domain import Contract, InstrumentKind
from greeks.sandbox.market import Market
from greeks.sandbox.polygon.payloads import (
    NEW_YORK,
    Payload,
    daily_bars,
    index_snapshot,
    listed_contract,
    option_snapshots,
    ticker,
    universal_snapshots,
)
from greeks.sandbox.polygon.rules import (
    CallLimit,
    Refused,
    check_key,
    cursor_of,
    in_range,
    limit_of,
    parameters_of,
    request_id,
)

#: The vendor's own host: next_url names it whatever host was called.
VENDOR: Final = "https://api.massive.com"
SNAPSHOTS_A_PAGE, MOST_SNAPSHOTS = 10, 250
CONTRACTS_A_PAGE, MOST_CONTRACTS = 10, 1000
BARS_A_PAGE, MOST_BARS = 5000, 50_000
LONGEST_DAYS: Final = 366 * 30
_CONTRACT_TYPES = {"call": "C", "put": "P"}
_ORDERS: dict[str, Callable[[Contract], Any]] = {
    "ticker": ticker,
    "expiration_date": lambda contract: (contract.expiry, contract.strike, contract.right),
    "strike_price": lambda contract: (contract.strike, contract.expiry, contract.right),
}

# Starlette runs them in threads.
Handler = Callable[[Request], Response]


class PolygonServer:
    """Handlers of one running server. The market holds all state but the call limit."""

    def __init__(self, market: Market, *, limits: bool) -> None:
        self.market = market
        self.limit = CallLimit(enabled=limits)

    def chain(self, request: Request) -> Response:
        """``/v3/snapshot/options/{underlying}``."""
        parameters = parameters_of(request)
        contracts = self._filtered(request.path_params["underlying"], parameters)
        page, more = _page(contracts, parameters, default=SNAPSHOTS_A_PAGE, maximum=MOST_SNAPSHOTS)
        return _answer(request, option_snapshots(self.market, page), more)

    def option(self, request: Request) -> Response:
        """``/v3/snapshot/options/{underlying}/{ticker}``."""
        return _answer(request, option_snapshots(self.market, [self._option(request)])[0])

    def universal(self, request: Request) -> Response:
        """``/v3/snapshot?ticker.any_of=O:…,O:…``: options on any underlying."""
        parameters = parameters_of(request)
        names = [name for name in parameters.get("ticker.any_of", "").split(",") if name]
        if len(names) > MOST_SNAPSHOTS:
            raise Refused(400, f"ticker.any_of: at most {MOST_SNAPSHOTS} tickers")
        page, more = _page(names, parameters, default=SNAPSHOTS_A_PAGE, maximum=MOST_SNAPSHOTS)
        found = {name: contract for name in page if (contract := self._listed_option(name))}
        rows = dict(zip(found, universal_snapshots(self.market, [*found.values()]), strict=True))
        results = [rows[name] if name in rows else _not_found(name) for name in page]
        return _answer(request, results, more)

    def listed(self, request: Request) -> Response:
        """``/v3/reference/options/contracts``."""
        parameters = parameters_of(request)
        wanted = parameters.get("underlying_ticker", self.market.underlyings()[0])
        page, more = _page(
            self._filtered(wanted, parameters),
            parameters,
            default=CONTRACTS_A_PAGE,
            maximum=MOST_CONTRACTS,
        )
        return _answer(request, [listed_contract(contract) for contract in page], more)

    def listed_one(self, request: Request) -> Response:
        return _answer(request, listed_contract(self._option(request)))

    def indices(self, request: Request) -> Response:
        """``/v3/snapshot/indices?ticker.any_of=I:VIX,…``."""
        wanted = parameters_of(request).get("ticker.any_of", "").split(",")
        rows: list[Payload] = []
        for name in filter(None, wanted):
            found = self._underlying(name)
            if found is None or found.kind is not InstrumentKind.INDEX:
                rows.append(_not_found(name))
            else:
                rows.append(index_snapshot(self.market, found))
        return _answer(request, rows)

    def bars(self, request: Request) -> Response:
        """``/v2/aggs/ticker/{ticker}/range/1/day/{from}/{to}``."""
        parameters = parameters_of(request)
        path = request.path_params
        if (path["multiplier"], path["timespan"]) != ("1", "day"):
            raise Refused(400, "the simulated vendor has daily bars only")
        start, end = _day_of(path["from"]), _day_of(path["to"])
        if not 0 <= (end - start).days <= LONGEST_DAYS:
            raise Refused(400, "from: must not be after to")
        found = self._underlying(path["ticker"])
        rows = [] if found is None else daily_bars(self.market, found, start, end)
        if parameters.get("sort") == "desc":
            rows.reverse()
        page, more = _page(rows, parameters, default=BARS_A_PAGE, maximum=MOST_BARS)
        head = {
            "ticker": path["ticker"],
            "queryCount": len(page),
            "resultsCount": len(page),
            "adjusted": parameters.get("adjusted", "true") == "true",
        }
        return _answer(request, page or None, more, head)

    def guarded(self, handler: Handler) -> Handler:
        """Wrap a handler in the key check and the limit; refusals take the vendor's form."""

        def answer(request: Request) -> Response:
            try:
                check_key(request)
                self.limit.take()
                return handler(request)
            except Refused as refused:
                return refused.response

        return answer

    def _underlying(self, name: str) -> Contract | None:
        """Return the named index (``I:``) or stock; the vendor covers dollars only."""
        symbol = name.removeprefix("I:")
        if symbol not in self.market.underlyings():
            return None
        found = self.market.underlying(symbol)
        is_index = found.kind is InstrumentKind.INDEX
        return found if found.currency == "USD" and is_index == name.startswith("I:") else None

    def _filtered(self, name: str, parameters: dict[str, str]) -> list[Contract]:
        underlying = self._underlying(name)
        in_expiries = in_range(parameters, "expiration_date")
        in_strikes = in_range(parameters, "strike_price")
        kind = parameters.get("contract_type")
        if kind is not None and kind not in _CONTRACT_TYPES:
            raise Refused(400, "contract_type: must be call or put")
        order, sort = parameters.get("order", "asc"), parameters.get("sort", "ticker")
        if order not in ("asc", "desc") or sort not in _ORDERS:
            raise Refused(400, "sort: not understood")
        if underlying is None:
            return []
        symbol = underlying.symbol
        found = [
            contract
            for expiry in self.market.expiries(symbol)
            if in_expiries(expiry)
            for contract in self.market.chain(symbol, expiry)
            if in_strikes(float(contract.strike or 0))
            and (kind is None or contract.right == _CONTRACT_TYPES[kind])
        ]
        return sorted(found, key=_ORDERS[sort], reverse=order == "desc")

    def _option(self, request: Request) -> Contract:
        found = self._listed_option(request.path_params["option"])
        if found is None:
            raise Refused(404, "Options contract not found.")
        return found

    def _listed_option(self, name: str) -> Contract | None:
        compact = name.removeprefix("O:")
        found = self.market.contract(f"{compact[:-15]:<6}{compact[-15:]}")
        listed = found is not None and found.underlying in self.market.underlyings()
        return found if found and found.is_option and found.currency == "USD" and listed else None


def _not_found(name: str) -> Payload:
    return {"ticker": name, "error": "NOT_FOUND", "message": "Ticker not found."}


def _page(
    rows: list[Any], parameters: dict[str, str], *, default: int, maximum: int
) -> tuple[list[Any], str | None]:
    """Return the requested page, and the cursor of the next one."""
    limit = limit_of(parameters, default=default, maximum=maximum)
    start = int(parameters.get("offset", 0))
    page = rows[start : start + limit]
    if start + limit >= len(rows):
        return page, None
    return page, cursor_of(parameters | {"offset": start + limit})


def _answer(
    request: Request,
    results: Iterable[Payload] | Payload | None,
    cursor: str | None = None,
    head: Payload | None = None,
) -> JSONResponse:
    body: Payload = {**(head or {}), "status": "OK", "request_id": request_id()}
    if results is not None:
        body["results"] = results
    if cursor is not None:
        path = request.url.path.removeprefix(request.scope.get("root_path", ""))
        body["next_url"] = f"{VENDOR}{quote(path, safe='/:.')}?cursor={cursor}"
    return JSONResponse(body)


def _day_of(text: str) -> date:
    """Return a day as ``YYYY-MM-DD`` or milliseconds."""
    try:
        if text.isdecimal():
            return datetime.fromtimestamp(int(text) / 1000, UTC).astimezone(NEW_YORK).date()
        return date.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise Refused(400, f"{text[:40]!r} is not a day") from None


def build_server(context: SandboxContext) -> Starlette:
    """Return the ASGI application; its state holds ``limit`` for tests."""
    server = PolygonServer(context.market, limits=context.limits)
    routes: dict[str, Handler] = {
        "/v3/snapshot/options/{underlying}": server.chain,
        "/v3/snapshot/options/{underlying}/{option}": server.option,
        "/v3/snapshot/indices": server.indices,
        "/v3/snapshot": server.universal,
        "/v3/reference/options/contracts": server.listed,
        "/v3/reference/options/contracts/{option}": server.listed_one,
        "/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to}": server.bars,
    }
    application = Starlette(
        routes=[Route(path, server.guarded(handler)) for path, handler in routes.items()]
    )
    application.state.limit = server.limit
    return application
