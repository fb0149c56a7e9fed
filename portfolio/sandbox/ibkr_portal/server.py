"""The simulated IBKR Client Portal gateway: REST paths, order of calls, quirks.

It enforces the vendor's rules: a live session, ``/portfolio/accounts`` before ``/portfolio/*``,
``/iserver/accounts`` before orders, trades and snapshots, a search before strikes. The first orders
call is empty, and the first snapshot has only the conid.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from config.core.sandbox.faults import Receive, Scope, Send
from config.core.sandbox.registry import SandboxContext
from portfolio.domain import Broker
from portfolio.sandbox.books import SimulatedAccount
from portfolio.sandbox.ibkr_portal import money, payloads
from portfolio.sandbox.ibkr_portal.contracts import ContractDesk
from portfolio.sandbox.ibkr_portal.rules import LimitRules, SessionRules
from portfolio.sandbox.ibkr_terms import vendor_quotes

BASE_PATH = "/v1/api"
PAGE_SIZE = 100
MARKET_DATA_LINES = 100
LONGEST_TRADE_DAYS = 7
#: Answered without a brokerage session.
_OPEN_PATHS = ("/tickle", "/iserver/auth/")
#: Path, the call that must come before it, and the vendor's message otherwise.
_PREPARED = (
    ("/portfolio/accounts", "", ""),
    ("/portfolio/subaccounts", "", ""),
    ("/portfolio", "portfolio", "Bad Request: query /portfolio/accounts first"),
    ("/iserver/marketdata", "brokerage", "Bad Request: Please query /accounts first"),
    ("/iserver/account", "brokerage", "Bad Request: Please query /accounts first"),
)
Endpoint = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    """Ends a request with the vendor's error body."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class PortalServer:
    """The ASGI application. Tests reach ``session`` and ``limits``."""

    def __init__(self, context: SandboxContext) -> None:
        self.market = context.market
        self.accounts: list[SimulatedAccount] = context.books.accounts_at(Broker.IBKR)
        self.session = SessionRules()
        self.limits = LimitRules(enabled=context.limits)
        self._insists = not context.recorded
        self._positions: dict[str, list[dict[str, Any]]] = {}
        self._contracts = ContractDesk(context.market)
        self._application = Starlette(
            routes=[Mount(BASE_PATH, routes=self._routes())],
            exception_handlers={Refused: _refusal},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)

    def _routes(self) -> list[Route]:
        table: tuple[tuple[str, str, Callable[[Request], Any]], ...] = (
            ("GET POST", "/iserver/auth/status", self._status),
            ("GET POST", "/tickle", self._tickle),
            ("POST", "/iserver/auth/ssodh/init", self._reopen),
            ("GET", "/iserver/accounts", self._brokerage_accounts),
            ("GET", "/portfolio/accounts", self._portfolio_accounts),
            ("GET", "/portfolio/subaccounts", self._portfolio_accounts),
            ("GET", "/portfolio/{account}/meta", self._of_account(money.account_row)),
            ("GET", "/portfolio/{account}/summary", self._of_account(money.portfolio_summary)),
            ("GET", "/portfolio/{account}/ledger", self._of_account(money.ledger)),
            ("POST", "/portfolio/{account}/positions/invalidate", self._invalidate),
            ("GET", "/portfolio/{account}/positions/{page:int}", self._position_page),
            ("GET", "/portfolio2/{account}/positions", self._live_positions),
            ("GET", "/iserver/account/orders", self._orders),
            ("GET", "/iserver/account/trades", self._trades),
            ("GET", "/iserver/account/pnl/partitioned", self._partitioned_pnl),
            ("GET", "/iserver/account/{account}/summary", self._brokerage_summary),
            ("GET", "/iserver/marketdata/snapshot", self._snapshot),
            ("GET", "/iserver/marketdata/unsubscribeall", self._unsubscribe_all),
            ("GET", "/trsrv/secdef", self._contracts.definitions),
            ("GET", "/iserver/contract/{conid}/info-and-rules", self._contracts.rules),
            ("GET POST", "/iserver/secdef/search", self._contracts.search),
            ("GET", "/iserver/secdef/strikes", self._contracts.strikes),
            ("GET", "/iserver/secdef/info", self._contracts.info),
        )
        return [
            Route(path, self._guarded(answer), methods=methods.split())
            for methods, path, answer in table
        ]

    def _guarded(self, answer: Callable[[Request], Any]) -> Endpoint:
        """Check limits, session and preparing calls, in the gateway's order."""

        async def endpoint(request: Request) -> Response:
            path = request.url.path.split(BASE_PATH, 1)[1]
            if not self.limits.admits(path):
                raise Refused(429, "Too many requests")
            self.session.touch()
            if not path.startswith(_OPEN_PATHS):
                if not self.session.authenticated:
                    raise Refused(401, "not authenticated")
                if self._insists:
                    self._check_prepared(path)
            body = answer(request)
            return JSONResponse(await body if isinstance(body, Awaitable) else body)

        return endpoint

    def _check_prepared(self, path: str) -> None:
        if path == "/iserver/accounts":
            return
        for prefix, needed, words in _PREPARED:
            if path.startswith(prefix):
                if needed and not self.session.is_prepared(needed):
                    raise Refused(400, words)
                return

    def _account(self, request: Request) -> SimulatedAccount:
        wanted = request.path_params["account"]
        for account in self.accounts:
            if account.account_number == wanted:
                return account
        raise Refused(400, f"Bad Request: account {wanted[:32]} is not accessible")

    def _of_account(
        self, answer: Callable[[SimulatedAccount, datetime], Any]
    ) -> Callable[[Request], Any]:
        """Return the handler that answers about the account in the path, as of now."""
        return lambda request: answer(self._account(request), self.market.now())

    # --- Session ------------------------------------------------------------------------------
    def _status(self, request: Request) -> Any:
        return self.session.status()

    def _tickle(self, request: Request) -> Any:
        return {
            "session": "sandbox",
            "hmds": {"error": "no bridge"},
            "iserver": {"authStatus": self.session.status()},
        }

    def _reopen(self, request: Request) -> Any:
        self.session.reopen()
        return self.session.status()

    # --- Accounts and money -------------------------------------------------------------------
    def _brokerage_accounts(self, request: Request) -> Any:
        self.session.prepare("brokerage")
        return money.brokerage_accounts(self.accounts)

    def _portfolio_accounts(self, request: Request) -> Any:
        self.session.prepare("portfolio")
        return [money.account_row(account, self.market.now()) for account in self.accounts]

    def _brokerage_summary(self, request: Request) -> Any:
        return money.brokerage_summary(self._account(request))

    def _partitioned_pnl(self, request: Request) -> Any:
        return {
            "upnl": {
                f"{account.account_number}.Core": money.partitioned_pnl(account)
                for account in self.accounts
            }
        }

    # --- Positions ----------------------------------------------------------------------------
    def _invalidate(self, request: Request) -> Any:
        self._positions.pop(self._account(request).account_number, None)
        return {"message": "success"}

    def _position_page(self, request: Request) -> Any:
        """Return a page of the gateway's copy of the book, kept until it is invalidated."""
        page = request.path_params["page"]
        wanted = request.path_params["account"]
        if page and wanted not in self._positions:
            return []
        account = self._account(request)
        if wanted not in self._positions:
            self._positions[wanted] = [
                payloads.position_row(account, position) for position in account.positions()
            ]
        return self._positions[wanted][page * PAGE_SIZE : (page + 1) * PAGE_SIZE]

    def _live_positions(self, request: Request) -> Any:
        at = self.market.now()
        return [
            payloads.live_position_row(position, at)
            for position in self._account(request).positions()
        ]

    # --- Orders and trades --------------------------------------------------------------------
    def _orders(self, request: Request) -> Any:
        """Return the orders; none on a session's first call and on calls that clear the cache."""
        forced = request.query_params.get("force") == "true"
        first = not self.session.is_prepared("orders")
        self.session.prepare("orders")
        rows = [
            payloads.order_row(account, order)
            for account in (() if first or forced else self.accounts)
            for order in account.orders()
        ]
        return {"orders": rows, "snapshot": False}

    def _trades(self, request: Request) -> Any:
        text = request.query_params.get("days", "1")
        if not text.isdecimal() or not 1 <= int(text) <= LONGEST_TRADE_DAYS:
            raise Refused(400, "Bad Request: days must be 1 to 7")
        since = self.market.now() - timedelta(days=int(text))
        return [
            payloads.trade_row(account, fill, self.market.now())
            for account in self.accounts
            for fill in account.fills(since)
        ]

    # --- Market data --------------------------------------------------------------------------
    def _snapshot(self, request: Request) -> Any:
        """Return snapshot rows; a contract not yet streaming gets only its conid and starts."""
        wanted = [number for number in request.query_params.get("conids", "").split(",") if number]
        if not wanted:
            raise Refused(400, "Bad Request: conids is missing")
        fields = set(request.query_params.get("fields", "31,84,86").split(","))
        known = [contract for contract in map(self._contracts.find, wanted) if contract is not None]
        ready = [
            contract
            for contract in known
            if self.session.subscribe(contract.aliases["ibkr"], lines=MARKET_DATA_LINES)
        ]
        found = vendor_quotes(self.market, ready)
        quotes = {payloads.conid(quote.contract): quote for quote in found}
        rows: list[dict[str, Any]] = []
        for contract in known:
            quote = quotes.get(payloads.conid(contract))
            if quote is None:
                number = payloads.conid(contract)
                rows.append({"conidEx": str(number), "conid": number})
            else:
                is_open = self.market.is_open(contract.exchange)
                rows.append(payloads.snapshot_row(quote, fields, is_open=is_open))
        return rows

    def _unsubscribe_all(self, request: Request) -> Any:
        self.session.unsubscribe_all()
        return {"unsubscribed": True}


async def _refusal(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, Refused) else 500
    return JSONResponse({"error": str(error), "statusCode": status}, status_code=status)
