"""Read IBKR's Flex statements: trades by execution, corporate actions, transfers, cash.

Source: IBKR, Flex Queries reference. Times carry no zone and are US Eastern. A statement may hold
the same trade at several levels of detail: only executions count; a query that exports orders alone
is refused with what to change. ``xml.etree``'s parser behind defusedxml: no entities, no network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import IO, Any, Final
from xml.etree.ElementTree import ParseError
from zoneinfo import ZoneInfo

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from config.core.errors import InvalidInput
from greeks.domain import Contract, InstrumentKind
from greeks.providers.decoding import (
    SMALLEST_STEP,
    BadRow,
    parse_decimal,
    parse_identifier,
    parse_text,
    rejected_row,
)
from portfolio.brokers.ibkr_portal.contracts import decode_contract
from portfolio.domain import Broker, Side
from trades.domain import CashKind, CashMovement, ExecutionCancel, ExecutionKind, JournalExecution
from trades.executions.rows import JournalRows

SOURCE: Final = "flex"
EASTERN: Final = ZoneInfo("America/New_York")
#: A day and a time in the forms a Flex query offers, with the separators it offers.
_MOMENT: Final = re.compile(r"(?P<day>[^;,T ]+)[;,T ]+(?P<time>\d{1,2}:?\d{2}:?\d{2})", re.ASCII)
_COMPACT_DAY: Final = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})", re.ASCII)
_OTHER_DAYS: Final = ("%d-%b-%y", "%m/%d/%Y", "%m/%d/%y")
_STATEMENT_ROWS: Final = frozenset(
    {"Trade", "Order", "SymbolSummary", "AssetSummary", "Lot", "CorporateAction", "Transfer",
     "CashTransaction", "OptionEAE"}
)  # fmt: skip
#: Corporate actions by type. Source: IBKR, Flex Queries, "Corporate Actions".
_ACTIONS: Final[Mapping[str, ExecutionKind]] = {
    "FS": ExecutionKind.SPLIT,
    "RS": ExecutionKind.SPLIT,
    "SD": ExecutionKind.SPLIT,
    "IC": ExecutionKind.SYMBOL_CHANGE,
    "NC": ExecutionKind.SYMBOL_CHANGE,
    "TC": ExecutionKind.MERGER,
    "TO": ExecutionKind.MERGER,
    "CA": ExecutionKind.MERGER,
    "SO": ExecutionKind.MERGER,
    "DI": ExecutionKind.DIVIDEND_REINVESTMENT,
}
_CASH: Final[Mapping[str, CashKind]] = {
    "Deposits/Withdrawals": CashKind.EXTERNAL_FLOW,
    "Deposits & Withdrawals": CashKind.EXTERNAL_FLOW,
    "Dividends": CashKind.DIVIDEND,
    "Payment In Lieu Of Dividends": CashKind.DIVIDEND,
    "Withholding Tax": CashKind.TAX,
    "871(m) Withholding": CashKind.TAX,
    "Broker Interest Received": CashKind.INTEREST,
    "Broker Interest Paid": CashKind.INTEREST,
    "Bond Interest Received": CashKind.INTEREST,
    "Bond Interest Paid": CashKind.INTEREST,
    "Other Fees": CashKind.FEE,
    "Advisor Fees": CashKind.FEE,
    "Broker Fees": CashKind.FEE,
    "Commission Adjustments": CashKind.ADJUSTMENT,
    "Price Adjustments": CashKind.ADJUSTMENT,
    "Other Income": CashKind.ADJUSTMENT,
}

Attributes = Mapping[str, str]


class FlexFileError(InvalidInput):
    """The file is no Flex statement the journal can read; the message says what to change."""


def read_flex(file: IO[bytes]) -> JournalRows:
    """Read a Flex statement. Raises FlexFileError for what is none, or holds orders only."""
    rows = JournalRows()
    trades: list[Attributes] = []
    statements = orders = 0
    try:
        for name, attributes in _elements(file):
            if name == "FlexStatement":
                statements += 1
            elif name == "Trade" and _is_execution(attributes):
                trades.append(attributes)
            elif name in ("Trade", "Order"):
                orders += 1
                rows.ignore("a summary of executions by order")
            elif name in ("SymbolSummary", "AssetSummary", "Lot"):
                rows.ignore("a summary by symbol, asset class or lot")
            elif name == "OptionEAE":
                rows.ignore("confirms an assignment, exercise or expiration")
            else:
                _take(name, attributes, rows)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise FlexFileError(f"This is not a Flex statement: {str(error)[:120]}") from None
    if not statements:
        raise FlexFileError("This is not a Flex statement: it has no FlexStatement.")
    if orders and not trades:
        raise FlexFileError(
            "The statement holds orders, not executions. In the Flex query, edit the section "
            "Trades and choose “Execution” instead of “Order”."
        )
    delivered = {(row.get("accountId", ""), row["dateTime"]) for row in trades if _delivers(row)}
    for attributes in trades:
        try:
            event = _event(attributes, delivered)
        except BadRow as error:
            rows.rejected.append(rejected_row("execution", error.reason, dict(attributes)))
            continue
        if isinstance(event, ExecutionCancel):
            rows.cancels.append(event)
        else:
            rows.executions.append(event)
    return rows


def _elements(file: IO[bytes]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the statement's rows with the account of their statement; memory stays small."""
    account = ""
    root = None
    for stage, element in iterparse(file, events=("start", "end"), forbid_dtd=True):
        if root is None:
            root = element
        if stage == "start":
            if element.tag == "FlexStatement":
                account = element.get("accountId") or ""
                yield element.tag, dict(element.attrib)
            continue
        if element.tag in _STATEMENT_ROWS:
            yield element.tag, {"accountId": account, **_filled(element.attrib)}
        if element.tag not in ("FlexStatement", "FlexStatements"):
            element.clear()
        if element.tag == "FlexStatement":
            root.clear()


def _filled(attributes: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if value != ""}


def _is_execution(row: Attributes) -> bool:
    return row.get("levelOfDetail", "EXECUTION").upper() == "EXECUTION"


def _take(name: str, attributes: Attributes, rows: JournalRows) -> None:
    decode = {
        "CorporateAction": (_corporate_action, rows.executions),
        "Transfer": (_transfer, rows.executions),
        "CashTransaction": (_cash_transaction, rows.movements),
    }[name]
    decoder, target = decode
    if attributes.get("levelOfDetail", "DETAIL").upper() == "SUMMARY":
        rows.ignore("a summary of cash transactions")
        return
    try:
        target.append(decoder(attributes))  # type: ignore[arg-type]
    except BadRow as error:
        rows.rejected.append(rejected_row(name, error.reason, dict(attributes)))


# --- Trades ---
def _event(row: Attributes, delivered: set[tuple[str, str]]) -> JournalExecution | ExecutionCancel:
    account = parse_identifier(row.get("accountId"), "accountId", maximum=48)
    at = _moment(row, "dateTime", "tradeDate")
    if row.get("transactionType") == "TradeCancel" or "(Ca.)" in row.get("buySell", ""):
        return ExecutionCancel(
            broker=Broker.IBKR,
            account_number=account,
            cancel_id=parse_identifier(row.get("transactionID"), "transactionID"),
            cancelled_at=at,
            source=SOURCE,
            transaction_id=_id(row, "origTransactionID"),
            trade_id=_id(row, "origTradeID"),
            raw=row,
        )
    contract = _contract(row)
    signed = parse_decimal(row.get("quantity"), "quantity", required=True)
    if not signed:
        raise BadRow("quantity: a fill of nothing")
    commission = parse_decimal(row.get("ibCommission"), "ibCommission")
    taxes = parse_decimal(row.get("taxes"), "taxes")
    transaction_id = _id(row, "transactionID")
    order_id = _id(row, "ibOrderID")
    return JournalExecution(
        broker=Broker.IBKR,
        account_number=account,
        kind=_kind(row, contract, delivered),
        contract=contract,
        side=Side.BUY if signed > 0 else Side.SELL,
        quantity=abs(signed),
        price=_price(row, contract, signed),
        execution_time=at,
        source=SOURCE,
        execution_id=_id(row, "ibExecID"),
        transaction_id=transaction_id,
        trade_id=_id(row, "tradeID"),
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
    booked = row.get("transactionType") == "BookTrade" or notes & {"A", "Ex", "Ep"}
    if not booked:
        return ExecutionKind.TRADE
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


def _delivers(row: Attributes) -> bool:
    return row.get("assetCategory") in ("STK", "FUT") and (
        row.get("transactionType") == "BookTrade" and "dateTime" in row
    )


def _notes(row: Attributes) -> set[str]:
    return {note.strip() for note in re.split(r"[;,]", row.get("notes", ""))}


def _effect(row: Attributes) -> str:
    told = _notes({"notes": row.get("openCloseIndicator", "")}) - {""}
    return {"O": "OPEN", "C": "CLOSE"}.get(next(iter(told)), "") if len(told) == 1 else ""


def _price(row: Attributes, contract: Contract, signed: Decimal) -> Decimal:
    price = parse_decimal(row.get("tradePrice"), "tradePrice")
    if price is not None:
        return price
    if row.get("transactionType") == "BookTrade" and contract.is_option:
        return Decimal(0)
    units = abs(signed) * contract.multiplier
    proceeds = parse_decimal(row.get("proceeds"), "proceeds")
    if proceeds is not None:
        return (abs(proceeds) / units).quantize(SMALLEST_STEP)
    # What was paid or received: the cost basis, and for a close the profit on it.
    cost = parse_decimal(row.get("cost"), "cost")
    profit = parse_decimal(row.get("fifoPnlRealized"), "fifoPnlRealized")
    if cost is None or profit is None:
        raise BadRow("tradePrice: missing")
    paid = cost - profit if signed > 0 else profit - cost
    return (paid / units).quantize(SMALLEST_STEP)


# --- Corporate actions, transfers, cash ---
def _corporate_action(row: Attributes) -> JournalExecution:
    code = row.get("type", "")
    kind = _ACTIONS.get(code)
    if kind is None:
        raise BadRow(f"type: corporate action {code[:16]!r} is not one that is known")
    return _carried(row, kind, at=_moment(row, "dateTime", "reportDate"))


def _transfer(row: Attributes) -> JournalExecution:
    row = dict(row)
    if row.get("direction", "").upper() == "OUT":
        row["quantity"] = f"-{row.get('quantity', '').lstrip('-')}"
    return _carried(row, ExecutionKind.TRANSFER, at=_moment(row, "dateTime", "date"))


def _carried(row: Attributes, kind: ExecutionKind, *, at: datetime) -> JournalExecution:
    signed = parse_decimal(row.get("quantity"), "quantity", required=True)
    if not signed:
        raise BadRow("quantity: nothing moves")
    return JournalExecution(
        broker=Broker.IBKR,
        account_number=parse_identifier(row.get("accountId"), "accountId", maximum=48),
        kind=kind,
        contract=_contract(row),
        side=Side.BUY if signed > 0 else Side.SELL,
        quantity=abs(signed),
        price=parse_decimal(row.get("transferPrice"), "transferPrice") or None,
        execution_time=at,
        source=SOURCE,
        transaction_id=_id(row, "transactionID"),
        value=parse_decimal(row.get("proceeds"), "proceeds"),
        raw=row,
    )


def _cash_transaction(row: Attributes) -> CashMovement:
    name = parse_text(row.get("type"), "type", required=True)
    kind = _CASH.get(name)
    if kind is None:
        raise BadRow(f"type: cash transaction {name[:40]!r} is not one that is known")
    identifier = _id(row, "transactionID")
    return CashMovement(
        broker=Broker.IBKR,
        account_number=parse_identifier(row.get("accountId"), "accountId", maximum=48),
        kind=kind,
        amount=parse_decimal(row.get("amount"), "amount", required=True),
        currency=parse_text(row.get("currency"), "currency", required=True, maximum=8),
        moved_at=_moment(row, "dateTime", "settleDate", "reportDate"),
        source=SOURCE,
        movement_id=f"T:{row.get('accountId', '')}:{identifier}" if identifier else "",
        symbol=parse_text(row.get("symbol"), "symbol", maximum=64),
        description=parse_text(row.get("description"), "description"),
        raw=row,
    )


# --- Values ---
def _contract(row: Attributes) -> Contract:
    category = row.get("assetCategory") or ("OPT" if row.get("putCall") else "STK")
    symbol = row.get("symbol") or row.get("isin") or ""
    underlying = row.get("underlyingSymbol") or ""
    multiplier = row.get("multiplier")
    if category == "STK":
        underlying = symbol
    elif category == "CASH":
        return _currency_pair(row, symbol)
    elif not underlying and category == "OPT":
        # The root of the OCC symbol; without a symbol nothing says what it is an option on.
        underlying = symbol[:6].strip()
    terms: dict[str, Any] = {
        "conid": row.get("conid"),
        "assetClass": category,
        "ticker": underlying,
        "expiry": _compact_day(row.get("expiry")),
        "strike": row.get("strike"),
        "putOrCall": row.get("putCall"),
        "multiplier": multiplier,
        "currency": row.get("currency"),
        "listingExchange": row.get("listingExchange"),
        "contractDesc": f"[{symbol} {multiplier}]" if multiplier and symbol else None,
    }
    if not underlying:
        raise BadRow("symbol: missing, and nothing else names the contract")
    return decode_contract(terms, needs_conid=False)


def _currency_pair(row: Attributes, symbol: str) -> Contract:
    base, _, quoted = symbol.partition(".")
    if not quoted:
        raise BadRow(f"symbol: {symbol[:16]!r} is not a currency pair")
    return Contract(
        kind=InstrumentKind.CURRENCY,
        symbol=symbol,
        underlying=base,
        multiplier=Decimal(1),
        currency=quoted,
        aliases={"ibkr": row["conid"]} if row.get("conid") else {},
    )


def _compact_day(text: str | None) -> str | None:
    if not text:
        return None
    day = _day(text)
    if day is None:
        raise BadRow(f"expiry: {text[:24]!a} is not a date")
    return f"{day:%Y%m%d}"


def _id(row: Attributes, name: str) -> str:
    text = parse_identifier(row.get(name), name, required=False)
    return "" if text in ("0", "-") else text


def _moment(row: Attributes, *names: str) -> datetime:
    """Return the first time given, read as US Eastern; a day alone is its midnight there."""
    for name in names:
        text = row.get(name, "").strip()
        if not text:
            continue
        matched = _MOMENT.fullmatch(text)
        day = _day(matched["day"] if matched else text)
        clock = _clock(matched["time"]) if matched else time()
        if day is None or clock is None:
            raise BadRow(f"{name}: {text[:32]!a} is not a time")
        return _checked(datetime.combine(day, clock, tzinfo=EASTERN), name)
    raise BadRow(f"{names[0]}: missing")


def _checked(moment: datetime, name: str) -> datetime:
    if not 1990 <= moment.year < 2200:
        raise BadRow(f"{name}: {moment:%Y-%m-%d} is not a possible day")
    return moment.astimezone(UTC)


def _clock(text: str) -> time | None:
    digits = text.replace(":", "").zfill(6)
    try:
        return time(int(digits[:2]), int(digits[2:4]), int(digits[4:]))
    except ValueError:
        return None


def _day(text: str) -> date | None:
    matched = _COMPACT_DAY.fullmatch(text)
    try:
        if matched is not None:
            return date(int(matched[1]), int(matched[2]), int(matched[3]))
    except ValueError:
        return None
    for form in _OTHER_DAYS:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    return None
