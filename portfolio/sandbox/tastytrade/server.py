"""The simulated Tastytrade: the vendor's REST protocol on the simulated market and books."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from config.core.sandbox.registry import SandboxContext
from greeks.domain import Contract, InstrumentKind
from greeks.sandbox.market import Market
from portfolio.domain import Broker
from portfolio.sandbox.books import SimulatedAccount, SimulatedBooks
from portfolio.sandbox.dxlink.server import PATH as STREAMER_PATH
from portfolio.sandbox.dxlink.tokens import quote_tokens_of
from portfolio.sandbox.tastytrade.answers import (
    RefusedRequest,
    invalid,
    items_answer,
    listed_parameter,
    moment_parameter,
    object_answer,
    page_answer,
    unknown_path,
)
from portfolio.sandbox.tastytrade.books import account_item, balances, order, position
from portfolio.sandbox.tastytrade.futures import future, future_option
from portfolio.sandbox.tastytrade.instruments import (
    equity,
    equity_option,
    is_traded,
    market_data,
    nested_chain,
    timestamp,
)
from portfolio.sandbox.tastytrade.log_ins import LogIns, error_response
from portfolio.sandbox.tastytrade.transactions import history

MARKET_DATA_KINDS: Final = {
    "equity": InstrumentKind.STOCK,
    "index": InstrumentKind.INDEX,
    "equity-option": InstrumentKind.OPTION,
    "future": InstrumentKind.FUTURE,
    "future-option": InstrumentKind.FUTURE_OPTION,
    "cryptocurrency": InstrumentKind.CURRENCY,
}
SYMBOLS_A_REQUEST: Final = 100
TRANSACTIONS_A_PAGE: Final = 250
ORDERS_A_PAGE: Final = 10
#: Without a start date the vendor answers for this long back.
HISTORY: Final = timedelta(days=90)

# Starlette runs them in threads.
Handler = Callable[[Request], Response]


class TastytradeServer:
    """Handlers of one running server. Only the log-ins are its own state."""

    def __init__(self, market: Market, books: SimulatedBooks) -> None:
        self.market = market
        self.books = books
        self.log_ins = LogIns()
        self.quote_tokens = quote_tokens_of(market)

    async def token(self, request: Request) -> Response:
        if refusal := self.log_ins.refusal(request, needs_token=False):
            return refusal
        try:
            body = await request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return error_response(400, "bad_request", "The body is not a JSON object")
        return self.log_ins.grant(body)

    def accounts(self, request: Request) -> Response:
        return items_answer(
            request, [account_item(each) for each in self.books.accounts_at(Broker.TASTY)]
        )

    def balances(self, request: Request) -> Response:
        if request.path_params.get("currency", "USD") != "USD":
            raise RefusedRequest(404, "record_not_found", "No balances in that currency")
        return object_answer(request, balances(self._account(request), self.market.now()))

    def positions(self, request: Request) -> Response:
        account, now = self._account(request), self.market.now()
        with_mark = request.query_params.get("include-marks") == "true"
        return items_answer(
            request,
            [position(account, held, now, with_mark=with_mark) for held in account.positions()],
        )

    def live_orders(self, request: Request) -> Response:
        account = self._account(request)
        return items_answer(request, [order(account, placed) for placed in account.orders()])

    def orders(self, request: Request) -> Response:
        account = self._account(request)
        rows = [order(account, placed) for placed in account.orders()]
        return page_answer(request, rows, default=ORDERS_A_PAGE)

    def order(self, request: Request) -> Response:
        account = self._account(request)
        for placed in account.orders():
            if str(placed.order_id) == request.path_params["order"]:
                return object_answer(request, order(account, placed))
        raise RefusedRequest(404, "record_not_found", "Order was not found")

    def transactions(self, request: Request) -> Response:
        account, query = self._account(request), request.query_params
        start = moment_parameter(request, "start-at") or moment_parameter(request, "start-date")
        end = moment_parameter(request, "end-at") or moment_parameter(
            request, "end-date", whole_day=True
        )
        types = query.getlist("types[]") + query.getlist("type")
        at = self.market.now()
        rows = [
            row
            for row in history(account, start or at - HISTORY, at)
            if end is None or row["executed-at"] <= timestamp(end)
        ]
        rows = [row for row in rows if not types or row["transaction-type"] in types]
        for field in ("symbol", "underlying-symbol", "action"):
            if wanted := query.get(field):
                rows = [row for row in rows if row.get(field) == wanted]
        if query.get("sort", "Desc") != "Asc":
            rows.reverse()
        return page_answer(request, rows, default=TRANSACTIONS_A_PAGE)

    def market_data(self, request: Request) -> Response:
        contracts = []
        for name, kind in MARKET_DATA_KINDS.items():
            for symbol in listed_parameter(request, name):
                found = self._contract(symbol)
                if found is not None and found.kind is kind:
                    contracts.append(found)
        asked = sum(len(listed_parameter(request, name)) for name in MARKET_DATA_KINDS)
        if not 0 < asked <= SYMBOLS_A_REQUEST:
            raise invalid(symbols=f"between 1 and {SYMBOLS_A_REQUEST} symbols")
        return items_answer(request, market_data(self.market, contracts))

    def nested_chain(self, request: Request) -> Response:
        return items_answer(request, nested_chain(self.market, self._underlying(request).symbol))

    def futures(self, request: Request) -> Response:
        kind = InstrumentKind.FUTURE
        rows = [future(found) for found in self._listed(request) if found.kind is kind]
        return items_answer(request, rows)

    def future_options(self, request: Request) -> Response:
        kind = InstrumentKind.FUTURE_OPTION
        rows = [future_option(found) for found in self._listed(request) if found.kind is kind]
        return items_answer(request, rows)

    def equity(self, request: Request) -> Response:
        return object_answer(request, equity(self._underlying(request)))

    def equities(self, request: Request) -> Response:
        rows = [equity(found) for found in self._listed(request) if not found.is_option]
        return page_answer(request, rows, default=TRANSACTIONS_A_PAGE)

    def equity_option(self, request: Request) -> Response:
        contract = self._contract(request.path_params["symbol"])
        if contract is None or not contract.is_option:
            raise RefusedRequest(404, "record_not_found", "Equity option was not found")
        return object_answer(request, equity_option(self.market, contract))

    def equity_options(self, request: Request) -> Response:
        found = [contract for contract in self._listed(request) if contract.is_option]
        return items_answer(request, [equity_option(self.market, option) for option in found])

    def quote_token(self, request: Request) -> Response:
        issued_at = self.market.now()
        return object_answer(
            request,
            {
                "token": self.quote_tokens.grant(),
                "dxlink-url": f"ws://{request.url.netloc}/dxlink{STREAMER_PATH}",
                "level": "api",
                "issued-at": timestamp(issued_at),
                "expires-at": timestamp(issued_at + timedelta(days=1)),
            },
        )

    def guarded(self, handler: Handler) -> Handler:
        """Wrap a handler with log-in and User-Agent checks and the vendor's error form."""

        def answer(request: Request) -> Response:
            if refusal := self.log_ins.refusal(request):
                return refusal
            try:
                return handler(request)
            except RefusedRequest as refused:
                return refused.response

        return answer

    def _account(self, request: Request) -> SimulatedAccount:
        for account in self.books.accounts_at(Broker.TASTY):
            if account.account_number == request.path_params["account"]:
                return account
        raise RefusedRequest(404, "record_not_found", "Account was not found")

    def _contract(self, symbol: str) -> Contract | None:
        # Conids are another vendor's keys.
        found = None if symbol.isdecimal() else self.market.contract(symbol)
        return found if is_traded(found) else None

    def _listed(self, request: Request) -> list[Contract]:
        """Return the offered contracts among the request's symbols."""
        found = map(self._contract, listed_parameter(request, "symbol"))
        return [contract for contract in found if contract is not None]

    def _underlying(self, request: Request) -> Contract:
        found = self._contract(request.path_params["symbol"])
        if found is None or found.symbol not in self.market.underlyings():
            raise RefusedRequest(404, "record_not_found", "Instrument was not found")
        return found


def build_server(context: SandboxContext) -> Starlette:
    """Return the ASGI application; its state holds ``log_ins``, so tests can expire tokens."""
    server = TastytradeServer(context.market, context.books)
    routes: dict[str, Handler] = {
        "/customers/me/accounts": server.accounts,
        "/accounts/{account}/balances": server.balances,
        "/accounts/{account}/balances/{currency}": server.balances,
        "/accounts/{account}/positions": server.positions,
        "/accounts/{account}/orders/live": server.live_orders,
        "/accounts/{account}/orders/{order}": server.order,
        "/accounts/{account}/orders": server.orders,
        "/accounts/{account}/transactions": server.transactions,
        "/market-data/by-type": server.market_data,
        "/option-chains/{symbol:path}/nested": server.nested_chain,
        "/instruments/equities": server.equities,
        "/instruments/equities/{symbol:path}": server.equity,
        "/instruments/futures": server.futures,
        "/instruments/future-options": server.future_options,
        "/instruments/equity-options": server.equity_options,
        "/instruments/equity-options/{symbol:path}": server.equity_option,
        "/api-quote-tokens": server.quote_token,
    }
    application = Starlette(
        routes=[Route("/oauth/token", server.token, methods=["POST"])]
        + [Route(path, server.guarded(handler)) for path, handler in routes.items()],
        exception_handlers={404: unknown_path, 405: unknown_path},
    )
    application.state.log_ins = server.log_ins
    return application
