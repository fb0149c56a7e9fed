"""Read IBKR's Activity Statement (CSV): trades, corporate actions, transfers and cash.

Each line is a section, ``Header``, ``Data``, ``SubTotal`` or ``Total``, and values; a section may
have several headers. Rows become those of a Flex statement. They have no ids, and a trade is an
order, unless the statement was made with executions: then only these count. Source: IBKR, Activity
Statement reference, and real exports. Times are US Eastern, as in Flex.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Final

from config.core.errors import InvalidInput
from greeks.domain import RejectedRow
from greeks.providers.decoding import BadRow, rejected_row
from portfolio.domain import AccountEvent
from trades.executions.rows import JournalRows
from trades.importing.corporate_actions import read_corporate_actions
from trades.importing.duties import charge_duties
from trades.importing.flex_movements import read_cash_transaction, read_transfer
from trades.importing.flex_values import Attributes, named_option
from trades.importing.flex_xml import deliveries_of, read_trade

SOURCE: Final = "ibkr_csv"
_CATEGORIES: Final[Mapping[str, str]] = {
    "Stocks": "STK",
    "Equity and Index Options": "OPT",
    "Futures": "FUT",
    "Options On Futures": "FOP",
    "Futures Options": "FOP",
    "Forex": "CASH",
}
#: Cash sections and what Flex calls their rows.
_CASH: Final[Mapping[str, str]] = {
    "Deposits & Withdrawals": "Deposits/Withdrawals",
    "Dividends": "Dividends",
    "Payment In Lieu Of Dividends": "Payment In Lieu Of Dividends",
    "Withholding Tax": "Withholding Tax",
    "Fees": "Other Fees",
    "Other Fees": "Other Fees",
    "Interest": "Broker Interest Received",
    **{
        name: name
        for name in (
            "Broker Interest Paid", "Broker Interest Received", "Bond Interest Paid",
            "Bond Interest Received", "871(m) Withholding", "Advisor Fees", "Broker Fees",
            "Other Income", "Commission Adjustments", "Price Adjustments",
        )
    },
}  # fmt: skip
_ACTIONS: Final = "Corporate Actions"
_DUTIES: Final = "Transaction Fees"
_SETTLED: Final = frozenset({"A", "Ex", "Ep"})
_ENGLISH: Final = (
    "The statement is not in English, so its columns cannot be read. In the Client Portal choose "
    "English as the language and make the statement again."
)


class ActivityFileError(InvalidInput):
    """The file is no Activity Statement that the journal can read; the message says what to do."""


@dataclass(slots=True)
class _Statement:
    """The rows of the sections that are read, and what they share."""

    account: str = ""
    instruments: dict[str, dict[str, str]] = field(default_factory=dict)
    rows: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    #: Rows of sections that are not read.
    others: Counter[str] = field(default_factory=Counter)


def is_activity(cells: Sequence[str]) -> bool:
    """Return whether the first row is that of an Activity Statement, in any language."""
    return len(cells) > 3 and cells[1] == "Header"


def read_activity(file: IO[bytes]) -> JournalRows:
    """Read an Activity Statement. Raises ActivityFileError for what is none, or not in English."""
    try:
        found = _sections(io.TextIOWrapper(file, "utf-8-sig", newline=""))
    except (UnicodeDecodeError, csv.Error):
        raise ActivityFileError("This is not an Activity Statement: it is not text.") from None
    rows = JournalRows()
    for section, number in found.others.items():
        rows.ignore(f"{section}: tells of no fill, corporate action or cash", number)
    trades = [row for section, row in found.rows if section == "Trades"]
    told = {row.get("DataDiscriminator", "") for row in trades}
    level = next((name for name in ("Execution", "Trade", "Order") if name in told), "")
    wanted = []
    for row in trades:
        if row.get("DataDiscriminator", level) == level:
            wanted.append(_trade(row, found))
        else:
            rows.ignore("a summary by order, or a closed lot")
    duties = [_duty(row, found) for section, row in found.rows if section == _DUTIES]
    unpaid = charge_duties(wanted, duties)
    rows.ignore("a duty: among the costs of its trade", len(duties) - len(unpaid))
    for duty in unpaid:
        _add(_DUTIES, read_cash_transaction, duty, rows)
    delivered = deliveries_of(wanted)
    for row in wanted:
        try:
            event = read_trade(row, delivered)
        except BadRow as error:
            rows.rejected.append(rejected_row("execution", error.reason, row))
            continue
        rows.add(replace(event, source=SOURCE))
    actions = [_action(row, found) for section, row in found.rows if section == _ACTIONS]
    for action in read_corporate_actions(actions):
        rows.add(action if isinstance(action, RejectedRow) else replace(action, source=SOURCE))
    for section, row in found.rows:
        if section not in ("Trades", _ACTIONS, _DUTIES):
            _take(section, row, found, rows)
    return rows


def _sections(text: IO[str]) -> _Statement:
    found = _Statement()
    headers: dict[str, list[str]] = {}
    known = {"Trades", _ACTIONS, "Transfers", _DUTIES, *_CASH}
    for line in csv.reader(text):
        if len(line) < 3:
            continue
        section, kind, *values = line
        if kind == "Header":
            headers[section] = values
            _check_language(section, values)
        elif kind == "Data" and section in headers:
            row = {
                name: value.strip()
                for name, value in zip(headers[section], values, strict=False)
                if value.strip() not in ("", "--")
            }
            if section == "Account Information" and row.get("Field Name") == "Account":
                found.account = row.get("Field Value", "").split(" ", 1)[0]
            elif section == "Financial Instrument Information":
                for symbol in row.get("Symbol", "").split(", "):
                    found.instruments[symbol] = row
            elif section in known and not _is_total(row):
                found.rows.append((section, row))
            elif section not in known and section != "Statement":
                found.others[section] += 1
    if not headers:
        raise ActivityFileError("This is not an Activity Statement: it has no sections.")
    if not found.account and any("Account" not in row for _, row in found.rows):
        raise ActivityFileError(
            "The statement does not say which account it is of: include “Account Information”."
        )
    return found


def _check_language(section: str, columns: list[str]) -> None:
    is_trades = "DataDiscriminator" in columns and "Date/Time" in columns
    english = {
        "Statement": "Field Name" in columns,
        "Account Information": "Field Name" in columns,
        "Trades": is_trades and {"Symbol", "Quantity", "Asset Category"} <= set(columns),
    }
    foreign_trades = "DataDiscriminator" in columns and "Symbol" not in columns
    if not english.get(section, True) or foreign_trades:
        raise ActivityFileError(_ENGLISH)


def _is_total(row: Mapping[str, str]) -> bool:
    """Whether a row named Data is a sum: "Total", "Total in USD"."""
    first = next(iter(row.values()), "")
    return first.startswith("Total")


def _trade(row: Mapping[str, str], found: _Statement) -> dict[str, str]:
    """Return the row as Flex writes it."""
    codes = [code.strip() for code in row.get("Code", "").split(";") if code.strip()]
    booked = bool(_SETTLED & set(codes))
    effect = "".join(code for code in codes if code in ("O", "C"))
    sent = {
        **_contract(row, found),
        "dateTime": row.get("Date/Time", ""),
        "quantity": _plain(row, "Quantity"),
        "tradePrice": _plain(row, "T. Price"),
        "proceeds": _plain(row, "Proceeds"),
        "ibCommission": _commission(row),
        "fifoPnlRealized": _plain(row, "Realized P/L"),
        "notes": ";".join(codes),
        "openCloseIndicator": effect if len(effect) == 1 else "",
        "transactionType": "BookTrade" if booked else "ExchTrade",
        "buySell": "(Ca.)" if "Ca" in codes else "",
    }
    return {name: value for name, value in sent.items() if value}


def _commission(row: Mapping[str, str]) -> str:
    """Return the commission: "Comm/Fee", "Comm/Tax" of old, "Comm in USD" of conversions."""
    return next((_plain(row, name) for name in row if name.startswith("Comm")), "")


def _contract(row: Mapping[str, str], found: _Statement) -> dict[str, str]:
    symbol = row.get("Symbol", "")
    known = found.instruments.get(symbol, {})
    category = row.get("Asset Category", "")
    contract = {
        "accountId": row.get("Account", found.account),
        # "Stocks - Held with Interactive Brokers (U.K.) Limited"
        "assetCategory": _CATEGORIES.get(category.split(" - ")[0], category),
        "symbol": symbol,
        "currency": row.get("Currency", ""),
        "conid": known.get("Conid", ""),
        "listingExchange": known.get("Listing Exch", ""),
        "multiplier": known.get("Multiplier", "").replace(",", ""),
        "underlyingSymbol": known.get("Underlying", ""),
        "expiry": known.get("Expiry", ""),
        "strike": known.get("Strike", "").replace(",", ""),
        "putCall": known.get("Type", "")[:1],
    }
    if contract["assetCategory"] == "OPT" and named_option(symbol):
        contract["multiplier"] = contract["multiplier"] or "100"
    if contract["assetCategory"] in ("STK", "CASH"):
        contract |= {"underlyingSymbol": "", "expiry": "", "strike": "", "putCall": ""}
    return {name: value for name, value in contract.items() if value}


def _take(section: str, row: dict[str, str], found: _Statement, rows: JournalRows) -> None:
    if section == "Transfers" and row.get("Asset Category") != "Cash":
        sent = _contract(row, found) | {
            "dateTime": row.get("Date", ""),
            "direction": row.get("Direction", ""),
            "quantity": _plain(row, "Qty"),
            "transferPrice": _plain(row, "Xfer Price"),
        }
        _add(section, read_transfer, {name: value for name, value in sent.items() if value}, rows)
    else:
        _add(section, read_cash_transaction, _cash(section, row, found), rows)


def _add(
    section: str, read: Callable[[Attributes], AccountEvent], row: Attributes, rows: JournalRows
) -> None:
    try:
        rows.add(replace(read(row), source=SOURCE))
    except BadRow as error:
        rows.rejected.append(rejected_row(section, error.reason, row))


def _action(row: Mapping[str, str], found: _Statement) -> dict[str, str]:
    """Return a corporate action; what it is and of which share stands in its description only."""
    description = row.get("Description", "")
    _, _, last = description.rpartition("(")
    symbol = last.split(",", 1)[0].rstrip(")") or description.split("(", 1)[0]
    sent = {
        **_contract({**row, "Symbol": symbol}, found),
        "description": description,
        "dateTime": row.get("Date/Time", "") or row.get("Report Date", ""),
        "quantity": _plain(row, "Quantity"),
        "proceeds": _plain(row, "Proceeds"),
        "value": _plain(row, "Value"),
        "fifoPnlRealized": _plain(row, "Realized P/L"),
    }
    return {name: value for name, value in sent.items() if value}


def _cash(section: str, row: Mapping[str, str], found: _Statement) -> dict[str, str]:
    description = row.get("Description", "") or row.get("Subtitle", "")
    kind = _CASH.get(section, "Deposits/Withdrawals")
    named = re.match(r"([A-Z0-9.]+)\s?\(", description)
    sent = {
        "accountId": row.get("Account", found.account),
        "type": kind,
        "currency": row.get("Currency", ""),
        "dateTime": row.get("Settle Date", "") or row.get("Date", ""),
        "description": description or section,
        "symbol": named[1] if named else "",
        "amount": _plain(row, "Amount") or _plain(row, "Cash Amount"),
    }
    return {name: value for name, value in sent.items() if value}


def _duty(row: Mapping[str, str], found: _Statement) -> dict[str, str]:
    at, quantity = row.get("Date/Time", ""), _plain(row, "Quantity")
    sent = _cash("Other Fees", {**row, "Date": at}, found) | {"quantity": quantity}
    return sent | {"symbol": row.get("Symbol", "")}


def _plain(row: Mapping[str, str], name: str) -> str:
    """Return a number without the commas of thousands."""
    return row.get(name, "").replace(",", "")
