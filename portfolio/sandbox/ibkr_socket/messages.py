"""The gateway's messages about accounts, money, executions and ticks, at server version 178.

Each function returns one message's fields in wire order; clients decode by position.
"""

from __future__ import annotations

from typing import NamedTuple

from greeks.domain import Contract
from portfolio.sandbox.ibkr_portal.payloads import conid, expiry, sec_type
from portfolio.sandbox.ibkr_socket.frames import Field, Fields
from portfolio.sandbox.ibkr_terms import is_dated, local_symbol, ticker, trading_class

SERVER_VERSION = 178
SMART = "SMART"


class Greek(NamedTuple):
    """An option computation in wire order: −1 and −2 for values not computed."""

    implied_volatility: float = -1.0
    delta: float = -2.0
    option_price: float = -1.0
    present_value_of_dividends: float = -1.0
    gamma: float = -2.0
    vega: float = -2.0
    theta: float = -2.0
    underlying_price: float = -1.0


def expiry_text(contract: Contract) -> str:
    return expiry(contract) or ""


def strike_value(contract: Contract) -> float:
    return float(contract.strike) if contract.strike is not None else 0.0


def multiplier_text(contract: Contract) -> str:
    return f"{contract.multiplier.normalize():f}" if is_dated(contract) else ""


def listing_exchange(contract: Contract) -> str:
    """Return the exchange in a position: a share's, empty for an option."""
    return "" if contract.is_option else contract.exchange


def contract_columns(contract: Contract, exchange: str) -> Fields:
    """Return the eleven fields by which most messages name a contract.

    They are conId, symbol, type, expiry, strike, right, multiplier, exchange, currency, local
    symbol and trading class.
    """
    return (
        conid(contract),
        ticker(contract),
        sec_type(contract),
        expiry_text(contract),
        strike_value(contract),
        contract.right.value if contract.right else "",
        multiplier_text(contract),
        exchange,
        contract.currency,
        local_symbol(contract),
        trading_class(contract),
    )


def error(request_id: int, code: int, message: str, *, rejection: str = "") -> Fields:
    """Return an error; ``rejection`` is the advancedOrderRejectJson added in version 166."""
    return (4, 2, request_id, code, message, rejection)


def managed_accounts(numbers: list[str]) -> Fields:
    return (15, 1, ",".join(numbers))


def next_valid_id(order_id: int) -> Fields:
    return (9, 1, order_id)


def position(account: str, columns: Fields, quantity: int, average_cost: float) -> Fields:
    return (61, 3, account, *columns, quantity, average_cost)


def position_multi(
    request_id: int, account: str, columns: Fields, quantity: int, average_cost: float, model: str
) -> Fields:
    return (71, 1, request_id, account, *columns, quantity, average_cost, model)


def account_value(tag: str, value: str, currency: str, account: str) -> Fields:
    return (6, 2, tag, value, currency, account)


def account_update_multi(
    request_id: int, account: str, model: str, tag: str, value: str, currency: str
) -> Fields:
    return (73, 1, request_id, account, model, tag, value, currency)


def account_summary(request_id: int, account: str, tag: str, value: str, currency: str) -> Fields:
    return (63, 1, request_id, account, tag, value, currency)


def portfolio_value(account: str, columns: Fields, quantity: int, *money: float) -> Fields:
    """Return a holding; its money is price, value, average cost, unrealised and realised P&L."""
    return (7, 8, *columns, quantity, *money, account)


class Execution(NamedTuple):
    """The fields of an execution after its contract, in wire order."""

    execution_id: str
    time: str
    account: str
    exchange: str
    side: str
    shares: int
    price: float
    permanent_id: int
    client_id: int
    liquidation: int
    cumulative_quantity: int
    average_price: float
    order_reference: str = ""
    economic_value_rule: str = ""
    economic_value_multiplier: str = ""
    model_code: str = ""
    last_liquidity: int = 2
    pending_price_revision: bool = False


def execution_details(
    request_id: int, order_id: int, columns: Fields, execution: Execution
) -> Fields:
    return (11, request_id, order_id, *columns, *execution)


def commission_report(
    execution_id: str, commission: float, currency: str, realized_pnl: Field
) -> Fields:
    """Return a commission report; only bonds have yield and redemption date."""
    return (59, 1, execution_id, commission, currency, realized_pnl, None, None)


def end(message: int, *fields: Field) -> Fields:
    """Return the end of a list: number, version 1, then the account or request."""
    return (message, 1, *fields)


def market_data_type(request_id: int, kind: int) -> Fields:
    return (58, 1, request_id, kind)


def tick_request_parameters(request_id: int, minimum_tick: float) -> Fields:
    return (81, request_id, minimum_tick, SMART, 3)


def tick_price(request_id: int, tick: int, price: float, size: Field, attributes: int) -> Fields:
    return (1, 6, request_id, tick, price, size, attributes)


def tick_size(request_id: int, tick: int, size: int) -> Fields:
    return (2, 6, request_id, tick, size)


def option_computation(request_id: int, tick: int, greek: Greek) -> Fields:
    """Return a computation; the third field says it is based on prices, not on returns."""
    return (21, request_id, tick, 1, *greek)


def profit_and_loss(request_id: int, daily: Field, unrealized: float, realized: float) -> Fields:
    return (94, request_id, daily, unrealized, realized)


def profit_and_loss_single(
    request_id: int, quantity: int, daily: Field, unrealized: float, realized: float, value: float
) -> Fields:
    return (95, request_id, quantity, daily, unrealized, realized, value)
