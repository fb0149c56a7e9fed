"""Decode IBKR Client Portal accounts, money and positions: pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from config.core.errors import MalformedResponse
from greeks.domain import Contract
from greeks.providers.decoding import (
    BadRow,
    Row,
    parse_decimal,
    parse_epoch,
    parse_identifier,
    parse_text,
    storable,
)
from portfolio.brokers.ibkr_portal.contracts import (
    SOURCE,
    decode_contract,
    first_of,
    needs_definition,
    parse_conid,
)
from portfolio.brokers.ibkr_portal.units import magnifier_of, price_of_value
from portfolio.domain import AccountSummary, Broker, BrokerAccount, BrokerPosition

PROVIDER = "ibkr_portal"
BASE = "BASE"

#: Our field → key of ``/portfolio/{id}/summary`` and key of ``/iserver/account/{id}/summary``.
MONEY_FIELDS: Mapping[str, tuple[str, str]] = {
    "net_liquidation": ("netliquidation", "netLiquidationValue"),
    "buying_power": ("buyingpower", "buyingPower"),
    "excess_liquidity": ("excessliquidity", "excessLiquidity"),
    "initial_margin": ("initmarginreq", "initialMargin"),
    "maintenance_margin": ("maintmarginreq", "maintenanceMargin"),
    "cash": ("totalcashvalue", "totalCashValue"),
}


def decode_account(row: Row) -> BrokerAccount:
    """Decode a row of ``/portfolio/accounts``, ``/portfolio/subaccounts`` or
    ``/portfolio/{id}/meta``."""
    number = parse_identifier(first_of(row, "accountId", "id"), "accountId", maximum=32)
    label = parse_text(
        first_of(row, "accountAlias", "displayName", "accountTitle", "desc"), "accountAlias"
    )
    return BrokerAccount(
        broker=Broker.IBKR,
        account_number=number,
        label=label or number,
        base_currency=parse_text(row.get("currency"), "currency", required=True, maximum=8),
    )


def missing_money(summary: Mapping[str, Any]) -> bool:
    """Return whether ``/portfolio/{id}/summary`` lacks a field the second source has."""
    try:
        return any(_amount(summary, key) is None for key, _ in MONEY_FIELDS.values())
    except BadRow:
        # Invalid, not missing: decode_summary reports it.
        return False


def decode_summary(
    account_number: str,
    *,
    summary: Mapping[str, Any],
    ledger: Mapping[str, Any],
    brokerage: Mapping[str, Any],
    received_at: datetime,
) -> AccountSummary:
    """Return the account's money from ``/portfolio/{id}/summary``; P&L and rates from its ledger.

    ``brokerage`` (``/iserver/account/{id}/summary``) fills gaps; pass ``{}`` if not needed. Raises
    MalformedResponse for invalid values or without a net liquidation: the account would look empty.
    """
    try:
        base = _ledger_row(ledger, BASE)
        money = {}
        for field, (key, brokerage_key) in MONEY_FIELDS.items():
            amount = _amount(summary, key)
            if amount is None:
                amount = parse_decimal(brokerage.get(brokerage_key), brokerage_key)
            money[field] = amount
        if money["net_liquidation"] is None:
            money["net_liquidation"] = parse_decimal(
                base.get("netliquidationvalue"), "netliquidationvalue"
            )
        if money["cash"] is None:
            money["cash"] = parse_decimal(base.get("cashbalance"), "cashbalance")
        if money["net_liquidation"] is None:
            raise BadRow("netliquidation: missing")
        currency, rates = _rates(summary, ledger)
        entry = summary.get("netliquidation")
        stamp = entry.get("timestamp") if isinstance(entry, Mapping) else base.get("timestamp")
        as_of = parse_epoch(stamp, "timestamp") or received_at
        unrealized = parse_decimal(base.get("unrealizedpnl"), "unrealizedpnl")
        realized = parse_decimal(base.get("realizedpnl"), "realizedpnl")
    except BadRow as error:
        raise MalformedResponse(
            f"account summary of {account_number}: {error.reason}", provider=PROVIDER
        ) from None
    return AccountSummary(
        broker=Broker.IBKR,
        account_number=account_number,
        currency=currency,
        source=SOURCE,
        as_of=as_of,
        unrealized_pnl=unrealized,
        realized_pnl=realized,
        fx_rates=rates,
        raw=storable({"summary": summary, "ledger": ledger, "brokerage": brokerage}),
        **money,
    )


def _amount(summary: Mapping[str, Any], key: str) -> Decimal | None:
    entry = summary.get(key)
    if entry is None:
        return None
    if not isinstance(entry, Mapping):
        raise BadRow(f"{key}: expected an object, got {type(entry).__name__}")
    return None if entry.get("isNull") is True else parse_decimal(entry.get("amount"), key)


def _ledger_row(ledger: Mapping[str, Any], currency: str) -> Mapping[str, Any]:
    row = ledger.get(currency, {})
    if not isinstance(row, Mapping):
        raise BadRow(f"ledger {currency[:8]!a}: expected an object, got {type(row).__name__}")
    return row


def _rates(summary: Mapping[str, Any], ledger: Mapping[str, Any]) -> tuple[str, dict[str, Decimal]]:
    """Return the account's currency, and units of it per unit of each ledger currency."""
    entry = summary.get("netliquidation")
    said = entry.get("currency") if isinstance(entry, Mapping) else None
    currency = parse_text(said, "currency", maximum=8)
    rates: dict[str, Decimal] = {}
    for name in ledger:
        if name == BASE:
            continue
        code = parse_text(name, "ledger currency", required=True, maximum=8)
        rate = parse_decimal(_ledger_row(ledger, name).get("exchangerate"), "exchangerate")
        if rate is not None and rate > 0:
            rates[code] = rate
    if not currency:
        at_par = [code for code, rate in rates.items() if rate == 1]
        if len(at_par) != 1:
            raise BadRow("currency: neither the summary nor the ledger says it")
        currency = at_par[0]
    return currency, rates


def is_closed(row: object) -> bool:
    """Return whether the holding was closed today: the gateway lists it until midnight."""
    return isinstance(row, Mapping) and row.get("position") in (0, "0", "0.0")


def decode_position(
    row: Row, definitions: Mapping[str, Contract], *, received_at: datetime
) -> BrokerPosition:
    """Decode a row of ``/portfolio/{id}/positions/{page}`` or of ``/portfolio2/{id}/positions``.

    ``avgCost`` includes the multiplier, ``avgPrice`` does not: use the latter, else divide the
    former. ``definitions`` are contracts of rows that lack their terms.
    """
    contract = contract_of(row, definitions)
    magnifier = magnifier_of(row)
    quantity = parse_decimal(row.get("position"), "position", required=True)
    value = parse_decimal(first_of(row, "mktValue", "marketValue"), "mktValue")
    price = parse_decimal(first_of(row, "mktPrice", "marketPrice"), "mktPrice")
    average = parse_decimal(row.get("avgPrice"), "avgPrice")
    cost = parse_decimal(row.get("avgCost"), "avgCost")
    if average is None:
        average = None if cost is None else parse_decimal(cost / contract.multiplier, "avgCost")
    return BrokerPosition(
        contract=contract,
        quantity=quantity,
        source=SOURCE,
        as_of=parse_epoch(row.get("timestamp"), "timestamp") or received_at,
        sub_key=parse_text(row.get("model"), "model", maximum=64),
        average_price=price_of_value(average, magnifier, value=cost, size=contract.multiplier),
        price=price_of_value(price, magnifier, value=value, size=quantity * contract.multiplier),
        market_value=value,
        unrealized_pnl=parse_decimal(row.get("unrealizedPnl"), "unrealizedPnl"),
        realized_pnl=parse_decimal(row.get("realizedPnl"), "realizedPnl"),
        raw=storable(row),
    )


def contract_of(row: Row, definitions: Mapping[str, Contract]) -> Contract:
    """Return the row's contract, completed from the contract's definition."""
    known = definitions.get(parse_conid(row))
    if known is None:
        return decode_contract(row)
    if needs_definition(row):
        return known
    contract = decode_contract(row)
    return replace(
        contract,
        exchange=contract.exchange or known.exchange,
        description=contract.description or known.description,
    )
