"""Read IBKR's Flex statements: trades by execution, corporate actions, transfers, cash.

Source: IBKR, Flex Queries reference. Times carry no zone and are US Eastern. A statement may hold
the same trade at several levels of detail: only executions count; a query that exports orders alone
is refused with what to change. ``xml.etree``'s parser behind defusedxml: no entities, no network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import IO, Final
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException

from config.core.rows.packed import PackedRows
from greeks.domain import Contract, InstrumentKind
from greeks.providers.decoding import BadRow, parse_decimal, parse_identifier, rejected_row
from portfolio.brokers.ibkr_portal.units import MAGNIFIER, implied_magnifier, may_be_magnified
from portfolio.domain import Broker, BrokerExecution, ExecutionCancel, ExecutionKind, Side
from trades.executions.rows import JournalRows
from trades.importing.corporate_actions import read_corporate_actions
from trades.importing.flex_elements import FlexFileError, flex_elements
from trades.importing.flex_movements import read_cash_transaction, read_transfer
from trades.importing.flex_rates import FlexRates
from trades.importing.flex_settlements import CashSettlements
from trades.importing.flex_values import (
    SOURCE,
    Attributes,
    flex_account,
    flex_contract,
    flex_id,
    flex_moment,
    with_month_first,
)

_SUMMARIES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("Trade", "Order"), "a summary of executions by order"),
    **dict.fromkeys(
        ("SymbolSummary", "AssetSummary", "Lot", "WashSale"),
        "a summary by symbol, asset class or lot",
    ),
}
#: Codes of assignments, exercises and expirations.
_SETTLED: Final = frozenset({"A", "Ex", "Ep"})
_CONFIRMS: Final = "confirms an assignment, exercise or expiration"


def read_flex(file: IO[bytes], *, account_number: str = "") -> JournalRows:
    """Read a Flex statement; ``account_number`` is that of rows that name none.

    Raises FlexFileError for what is no statement, or holds orders only.
    """
    rows = JournalRows()
    waiting = PackedRows[Attributes]()
    booked: list[BrokerExecution] = []
    delivered: set[tuple[str, str]] = set()
    actions: list[Attributes] = []
    rates = FlexRates()
    settled = CashSettlements()
    #: Of each statement: its executions, and its summaries of them.
    levels: list[list[int]] = []

    def take(trade: Attributes) -> None:
        try:
            event = read_trade(rates.in_currency(trade), delivered)
        except BadRow as error:
            rows.rejected.append(rejected_row("execution", error.reason, trade))
            return
        event = event if event.raw is trade else replace(event, raw=trade)
        if isinstance(event, BrokerExecution) and settled.settles(event):
            booked.append(event)
        else:
            rows.add(event)

    try:
        content = with_month_first(file.read())
        for name, element in flex_elements(content, account_number):
            if name == "FlexStatement":
                levels.append([0, 0])
            elif name == "Trade" and _is_execution(element):
                rates.note(element)
                delivered |= deliveries_of([element])
                levels[-1][0] += 1
                if _needs_others(element):
                    waiting.append(element)
                else:
                    take(element)
            elif name in _SUMMARIES:
                rows.ignore(_SUMMARIES[name])
                levels[-1][1] += 1
            elif name == "CorporateAction":
                actions.append(element)
            elif name == "ConversionRate":
                rates.note_rate(element)
            elif name == "StatementOfFundsLine":
                if not settled.note(element):
                    rows.ignore("a line of the ledger: Trades and Cash Transactions tell of it")
            elif name in ("CashTransaction", "Transfer"):
                _take(name, element, rows)
            elif name == "TradeConfirm":
                raise FlexFileError(
                    "The statement holds trade confirmations. Make a Flex query of the kind "
                    "“Activity” with the section Trades at the level “Execution”."
                )
            else:
                other = f"{name}: tells of no fill, corporate action or cash"
                rows.ignore(_CONFIRMS if name == "OptionEAE" else other)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise FlexFileError(f"This is not a Flex statement: {str(error)[:120]}") from None
    except BadRow as error:
        raise FlexFileError(f"The statement cannot be used: {error.reason}.") from None
    if not levels:
        raise FlexFileError("This is not a Flex statement: it has no FlexStatement.")
    if any(summaries and not executions for executions, summaries in levels):
        raise FlexFileError(
            "The statement holds orders, not executions. In the Flex query, edit the section "
            "Trades and choose “Execution” instead of “Order”."
        )
    for trade in waiting:
        take(trade)
    paid, unmatched = settled.applied(booked)
    for event in paid:
        rows.add(event)
    rows.ignore("cash of a settlement: its booking has it", settled.number - len(unmatched))
    rows.rejected += unmatched
    for told in read_corporate_actions(actions):
        rows.add(told)
    return rows


def _needs_others(row: Attributes) -> bool:
    """Whether other rows of the file tell what it is, or what its commission was."""
    is_booked = row.get("transactionType") == "BookTrade" or _notes(row) & _SETTLED
    return bool(is_booked) or row.get("ibCommissionCurrency", "") not in ("", row.get("currency"))


def _is_execution(row: Attributes) -> bool:
    return row.get("levelOfDetail", "EXECUTION").upper() == "EXECUTION"


def _take(name: str, attributes: Attributes, rows: JournalRows) -> None:
    if attributes.get("levelOfDetail", "DETAIL").upper() == "SUMMARY":
        rows.ignore("a summary of cash transactions")
        return
    try:
        read = read_cash_transaction if name == "CashTransaction" else read_transfer
        rows.add(read(attributes))
    except BadRow as error:
        rows.rejected.append(rejected_row(name, error.reason, attributes))


# --- Trades ---
def read_trade(
    row: Attributes, delivered: set[tuple[str, str]]
) -> BrokerExecution | ExecutionCancel:
    """Read one execution, booking or cancel.

    ``delivered``: account and time at which shares or futures were booked. Raises BadRow.
    """
    account = flex_account(row)
    at = flex_moment(row, "dateTime", "tradeDate")
    booked_as = row.get("transactionType", "")
    if booked_as.endswith("Cancel") or "(Ca.)" in row.get("buySell", ""):
        return ExecutionCancel(
            broker=Broker.IBKR,
            account_number=account,
            cancel_id=parse_identifier(row.get("transactionID"), "transactionID"),
            cancelled_at=at,
            source=SOURCE,
            transaction_id=flex_id(row, "origTransactionID"),
            trade_id=flex_id(row, "origTradeID"),
            raw=row,
        )
    contract = flex_contract(row)
    signed = parse_decimal(row.get("quantity"), "quantity", required=True)
    if not signed:
        raise BadRow("quantity: a fill of nothing")
    unit = _unit(row, contract, signed)
    if unit != 1:
        contract = flex_contract({**row, MAGNIFIER: str(unit)})
    commission = parse_decimal(row.get("ibCommission"), "ibCommission")
    taxes = parse_decimal(row.get("taxes"), "taxes")
    transaction_id = flex_id(row, "transactionID")
    order_id = flex_id(row, "ibOrderID")
    return BrokerExecution(
        broker=Broker.IBKR,
        account_number=account,
        kind=_kind(row, contract, delivered),
        contract=contract,
        side=Side.BUY if signed > 0 else Side.SELL,
        quantity=abs(signed),
        price=_price(row, contract, signed) / unit,
        execution_time=at,
        source=SOURCE,
        broker_execution_id=flex_id(row, "ibExecID"),
        transaction_id=transaction_id,
        trade_id=flex_id(row, "tradeID"),
        # A booking is no order: its order id is its transaction.
        order_id="" if order_id == transaction_id else order_id,
        position_effect=_effect(row),
        commission=None if commission is None else -commission,
        fees=None if taxes is None else -taxes,
        value=parse_decimal(row.get("proceeds"), "proceeds"),
        net_value=parse_decimal(row.get("netCash"), "netCash"),
        broker_realized_pnl=parse_decimal(row.get("fifoPnlRealized"), "fifoPnlRealized"),
        raw=row,
    )


def _kind(row: Attributes, contract: Contract, delivered: set[tuple[str, str]]) -> ExecutionKind:
    if contract.kind is InstrumentKind.CURRENCY:
        return ExecutionKind.FX
    notes = _notes(row)
    if row.get("transactionType") == "FracShare":
        # What a corporate action leaves of a share is paid in cash.
        return ExecutionKind.CASH_SETTLEMENT
    booked = row.get("transactionType") == "BookTrade" or notes & _SETTLED
    if not booked:
        return ExecutionKind.TRADE
    if contract.kind is InstrumentKind.FUTURE and "Ep" in notes:
        return ExecutionKind.CASH_SETTLEMENT
    if not contract.is_option:
        return ExecutionKind.DELIVERY if _delivers(row) else ExecutionKind.TRANSFER
    price = parse_decimal(row.get("tradePrice"), "tradePrice") or Decimal(0)
    if "Ep" in notes:
        return ExecutionKind.EXPIRATION
    if price and notes & {"A", "Ex"}:
        return ExecutionKind.CASH_SETTLEMENT
    if "A" in notes:
        return ExecutionKind.ASSIGNMENT
    if "Ex" in notes:
        return ExecutionKind.EXERCISE
    # Without codes: shares booked in the same second say that it was not worthless.
    if (row.get("accountId", ""), row.get("dateTime", "")) not in delivered:
        return ExecutionKind.EXPIRATION
    short = (parse_decimal(row.get("quantity"), "quantity") or Decimal(0)) > 0
    return ExecutionKind.ASSIGNMENT if short else ExecutionKind.EXERCISE


def deliveries_of(trades: Iterable[Attributes]) -> set[tuple[str, str]]:
    """Return account and time of the bookings of shares and futures."""
    return {(row.get("accountId", ""), row["dateTime"]) for row in trades if _delivers(row)}


def _delivers(row: Attributes) -> bool:
    return row.get("assetCategory") in ("STK", "FUT") and (
        row.get("transactionType") == "BookTrade" and "dateTime" in row
    )


def _notes(row: Attributes) -> set[str]:
    return {note.strip() for note in re.split(r"[;,]", row.get("notes", ""))}


def _effect(row: Attributes) -> str:
    told = _notes({"notes": row.get("openCloseIndicator", "")}) - {""}
    return {"O": "OPEN", "C": "CLOSE"}.get(next(iter(told)), "") if len(told) == 1 else ""


def _unit(row: Attributes, contract: Contract, signed: Decimal) -> int:
    """Return how many units of the row's price and strike make one of its currency.

    No field tells: a price in cents is a hundred times what was paid for a unit.
    """
    if not may_be_magnified(contract):
        return 1
    price = parse_decimal(row.get("tradePrice"), "tradePrice")
    proceeds = parse_decimal(row.get("proceeds"), "proceeds")
    size = -signed * contract.multiplier
    return implied_magnifier(price, value=proceeds, size=size) or 1


def _price(row: Attributes, contract: Contract, signed: Decimal) -> Decimal:
    price = parse_decimal(row.get("tradePrice"), "tradePrice")
    if price is not None:
        return price
    if row.get("transactionType") == "BookTrade" and contract.is_option:
        return Decimal(0)
    units = abs(signed) * contract.multiplier
    proceeds = parse_decimal(row.get("proceeds"), "proceeds")
    if proceeds is not None:
        return parse_decimal(abs(proceeds) / units, "proceeds", required=True)
    # What was paid or received: the cost basis, and for a close the profit on it.
    cost = parse_decimal(row.get("cost"), "cost")
    profit = parse_decimal(row.get("fifoPnlRealized"), "fifoPnlRealized")
    if cost is None or profit is None:
        raise BadRow("tradePrice: missing")
    paid = cost - profit if signed > 0 else profit - cost
    return parse_decimal(paid / units, "cost", required=True)
