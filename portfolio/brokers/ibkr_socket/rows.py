"""Contracts, positions and account values of the socket: text rows as our values.

The rows are those ``ibkr_socket.client`` notes, with the gateway's own texts: an amount stays the
decimal that was sent, and what is missing stays missing. Terms become a contract by the Client
Portal's rules, so that both ways to IBKR name an instrument alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import ib_async

from config.core.errors import MalformedResponse
from greeks.domain import Contract
from greeks.providers.decoding import BadRow, parse_decimal, parse_text, storable
from portfolio.brokers.ibkr_portal.contracts import (
    REAL_EXPIRY,
    SOURCE,
    UNDERLYING_KEY,
    decode_contract,
)
from portfolio.brokers.ibkr_portal.units import MAGNIFIER, magnifier_of, price_of_value
from portfolio.brokers.ibkr_socket.client import SHORT, Row
from portfolio.brokers.ibkr_socket.state import PROVIDER
from portfolio.domain import AccountSummary, Broker, BrokerAccount, BrokerPosition

BASE = "BASE"
#: Our field → the tag for the whole account, and the ledger's tag, with a row per currency.
MONEY_TAGS: Mapping[str, tuple[str, str]] = {
    "net_liquidation": ("NetLiquidation", "NetLiquidationByCurrency"),
    "buying_power": ("BuyingPower", ""),
    "excess_liquidity": ("ExcessLiquidity", ""),
    "initial_margin": ("InitMarginReq", ""),
    "maintenance_margin": ("MaintMarginReq", ""),
    "cash": ("TotalCashValue", "TotalCashBalance"),
    "unrealized_pnl": ("", "UnrealizedPnL"),
    "realized_pnl": ("", "RealizedPnL"),
}
_EXCHANGE_RATE = "ExchangeRate"
_NO_RIGHT = frozenset({"", "0", "?"})
_OPTIONS = frozenset({"OPT", "FOP"})

#: (tag, currency) → value, from one account's summary or updates.
Values = Mapping[tuple[str, str], str]


def contract_of_row(row: Row) -> Contract:
    """Return the contract of a position, portfolio or execution row.

    Raises BadRow for a short frame or a missing term that valuation needs.
    """
    if SHORT in row:
        raise BadRow(f"{SHORT}: {row[SHORT]}")
    return decode_contract(_portal_terms(row))


def row_of_contract(contract: ib_async.Contract) -> Row:
    """Return a contract decoded by ib_async in the form of a row."""
    return {
        "conid": str(contract.conId or ""),
        "symbol": contract.symbol,
        "secType": contract.secType,
        "expiry": contract.lastTradeDateOrContractMonth,
        "strike": str(contract.strike or ("0" if contract.secType == "FOP" else "")),
        "right": contract.right,
        "multiplier": contract.multiplier,
        "exchange": contract.exchange,
        "primaryExchange": contract.primaryExchange,
        "currency": contract.currency,
        "localSymbol": contract.localSymbol,
        "tradingClass": contract.tradingClass,
    }


def has_conid(row: Row) -> bool:
    return row.get("conid", "") not in ("", "0")


def _portal_terms(row: Row) -> dict[str, Any]:
    kind = row["secType"].upper()
    local = row["localSymbol"]
    exchange = row.get("primaryExchange") or row.get("exchange") or ""
    return {
        "conid": row["conid"],
        "assetClass": kind,
        "ticker": row["symbol"],
        # A last trading day may carry its time: "20270115 15:00 US/Eastern".
        "expiry": row["expiry"].split(" ")[0].split("-")[0],
        "strike": row["strike"] if kind in _OPTIONS else None,
        "putOrCall": None if row["right"] in _NO_RIGHT else row["right"],
        "multiplier": row["multiplier"] or None,
        "currency": row["currency"],
        "tradingClass": row["tradingClass"],
        MAGNIFIER: row.get(MAGNIFIER),
        UNDERLYING_KEY: row.get(UNDERLYING_KEY),
        REAL_EXPIRY: row.get(REAL_EXPIRY),
        "listingExchange": "" if exchange == "SMART" else exchange,
        # An option's local symbol is its OCC symbol; the portal puts it in brackets.
        "contractDesc": f"[{local} {row['multiplier']}]" if kind == "OPT" and local else None,
    }


def decode_position(
    row: Row, portfolio: Row | None, contract: Contract | None, *, received_at: datetime
) -> BrokerPosition:
    """Decode a position row, with price and P&L from the account's portfolio row if there is one.

    ``contract`` is what the directory found for a row without a contract id. The average cost
    includes the multiplier and is divided by it.
    """
    if portfolio is not None:
        # Position rows name no exchange; it tells event contracts from options.
        row = {**row, "primaryExchange": row.get("primaryExchange") or _exchange_of(portfolio)}
    contract = contract or contract_of_row(row)
    quantity = parse_decimal(row["position"], "position", required=True)
    cost = parse_decimal(row["avgCost"], "avgCost")
    if portfolio is not None and parse_decimal(portfolio["position"], "position") != quantity:
        # The portfolio row predates the last fill: its value is not this position's.
        portfolio = None
    value = _amount(portfolio, "marketValue")
    price = price_of_value(
        _amount(portfolio, "marketPrice"),
        magnifier_of(row),
        value=value,
        size=quantity * contract.multiplier,
    )
    return BrokerPosition(
        contract=contract,
        quantity=quantity,
        source=SOURCE,
        as_of=received_at,
        average_price=None
        if cost is None
        else parse_decimal(cost / contract.multiplier, "avgCost"),
        price=price,
        market_value=value,
        unrealized_pnl=_amount(portfolio, "unrealizedPNL"),
        realized_pnl=_amount(portfolio, "realizedPNL"),
        raw=storable({**row, **({"portfolio": portfolio} if portfolio else {})}),
    )


def _exchange_of(portfolio: Row) -> str:
    return portfolio.get("primaryExchange") or portfolio.get("exchange") or ""


def _amount(row: Row | None, field: str) -> Decimal | None:
    return None if row is None else parse_decimal(row[field], field)


def is_flat(row: Row) -> bool:
    """Return whether the position was closed: the gateway keeps sending it with quantity 0."""
    try:
        return parse_decimal(row.get("position"), "position") == 0
    except BadRow:
        return False


def decode_summary(
    account_number: str, values: Values, others: Values, *, received_at: datetime
) -> AccountSummary:
    """Return the account's money in its own currency, and units of it per unit of each other.

    ``values`` are rows of the account summary with its ledger, ``others`` those of the account
    updates, which fill gaps. P&L across currencies is in the rows of currency BASE.

    Raises MalformedResponse for an impossible value, or without a net liquidation: the account
    would look empty.
    """
    try:
        currency = _base_currency(values) or _base_currency(others)
        money: dict[str, Decimal | None] = {}
        for field, tags in MONEY_TAGS.items():
            amount = _money(values, tags, currency)
            money[field] = _money(others, tags, currency) if amount is None else amount
        if not currency or money["net_liquidation"] is None:
            raise BadRow("NetLiquidation: missing")
        rates = {**_rates(others), **_rates(values)}
    except BadRow as error:
        raise MalformedResponse(
            f"account summary of {account_number}: {error.reason}", provider=PROVIDER
        ) from None
    return AccountSummary(
        broker=Broker.IBKR,
        account_number=account_number,
        currency=currency,
        source=SOURCE,
        as_of=received_at,
        fx_rates=rates,
        raw=storable(_nested(values or others)),
        **money,
    )


def decode_account(account_number: str, values: Values, others: Values) -> BrokerAccount:
    """Return an account of the gateway. Raises BadRow if its currency is unknown."""
    currency = _base_currency(values) or _base_currency(others)
    if not currency:
        raise BadRow("currency: neither the account summary nor its updates say it")
    return BrokerAccount(
        broker=Broker.IBKR,
        account_number=account_number,
        label=account_number,
        base_currency=currency,
    )


def _base_currency(values: Values) -> str:
    """Return the net liquidation's currency; of several, the one the ledger holds at par."""
    said = {
        parse_text(currency, "currency", maximum=8)
        for (tag, currency), value in values.items()
        if tag == "NetLiquidation" and value.strip()
    } - {"", BASE}
    if len(said) == 1:
        return said.pop()
    at_par = {currency for currency, rate in _rates(values).items() if rate == 1}
    if said:
        at_par &= said
    return at_par.pop() if len(at_par) == 1 else ""


def _of_account(values: Values, tag: str, currency: str) -> Decimal | None:
    """Return an amount for the whole account. Some gateways omit its currency."""
    for code in (currency, BASE, ""):
        text = values.get((tag, code))
        amount = None if text is None else parse_decimal(text, tag)
        if amount is not None:
            return amount
    return None


def _of_ledger(values: Values, tag: str, currency: str) -> Decimal | None:
    """Return the ledger's BASE row, else its only row if that is in the base currency."""
    rows = {code: value for (name, code), value in values.items() if name == tag}
    text = rows.get(BASE)
    if text is None and set(rows) <= {currency, ""}:
        text = next(iter(rows.values()), None)
    return None if text is None else parse_decimal(text, tag)


def _money(values: Values, tags: tuple[str, str], currency: str) -> Decimal | None:
    account_tag, ledger_tag = tags
    amount = _of_account(values, account_tag, currency) if account_tag else None
    return _of_ledger(values, ledger_tag, currency) if amount is None and ledger_tag else amount


def _rates(values: Values) -> dict[str, Decimal]:
    rates: dict[str, Decimal] = {}
    for (tag, currency), value in values.items():
        if tag != _EXCHANGE_RATE or currency in (BASE, ""):
            continue
        rate = parse_decimal(value, f"{_EXCHANGE_RATE} {currency[:8]}")
        if rate is not None and rate > 0:
            rates[parse_text(currency, "currency", maximum=8)] = rate
    return rates


def _nested(values: Values) -> dict[str, dict[str, str]]:
    nested: dict[str, dict[str, str]] = {}
    for (tag, currency), value in values.items():
        nested.setdefault(tag, {})[currency or "-"] = value
    return nested
