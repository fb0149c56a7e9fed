"""Read Tastytrade's exports of transactions: 20 columns, 21 (with Total), and 15 of before 2021.

Exports name no account and no ids: equal rows are a multiset. Facts of real files: "Expiration
Date" is shifted by the exporter's browser, so the expiry is the symbol's; "Multiplier" of an option
on a future is 1, so the value over quantity and price counts; exports before 2021 write costs
without a sign.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import IO, Final
from zoneinfo import ZoneInfo

from config.core.clock import parse_clock
from config.core.errors import InvalidInput
from greeks.instruments.future_terms import MULTIPLIERS, last_trading_day, product_of
from greeks.providers.decoding import LARGEST_AMOUNT, BadRow, parse_decimal, rejected_row
from portfolio.brokers.tastytrade.future_symbols import FutureTerms, futures_of
from portfolio.brokers.tastytrade.transactions import Contracts, decode_transaction
from trades.executions.rows import JournalRows

SOURCE: Final = "tastytrade_csv"
COLUMNS: Final = (
    "Date", "Type", "Sub Type", "Action", "Symbol", "Instrument Type", "Description", "Value",
    "Quantity", "Average Price", "Commissions", "Fees", "Multiplier", "Root Symbol",
    "Underlying Symbol", "Expiration Date", "Strike Price", "Call or Put", "Order #", "Currency",
)  # fmt: skip
_OLD_COLUMNS: Final = (
    "Date/Time", "Transaction Code", "Transaction Subcode", "Symbol", "Buy/Sell", "Open/Close",
    "Quantity", "Expiration Date", "Strike", "Call/Put", "Price", "Fees", "Amount", "Description",
    "Account Reference",
)  # fmt: skip
#: The old layout's times carry no zone: the exporter's, by default New York.
_OLD_ZONE: Final = ZoneInfo("America/New_York")
_Decode = Callable[[Mapping[str, str]], dict[str, str]]
_RIGHTS: Final = {"C": "C", "CALL": "C", "P": "P", "PUT": "P"}


class TastytradeFileError(InvalidInput):
    """The file is no export of Tastytrade that the journal can read."""


def is_tastytrade(cells: Sequence[str]) -> bool:
    """Return whether the first row is that of one of the layouts."""
    names = set(cells)
    return names >= set(COLUMNS) or names >= set(_OLD_COLUMNS)


def read_tastytrade_csv(file: IO[bytes], *, account_number: str) -> JournalRows:
    """Read an export of one account. Raises TastytradeFileError for another kind of file."""
    rows = JournalRows(account_number=account_number)
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    contracts: Contracts = {}
    try:
        # Read twice: any row may tell what futures of its product are worth a point, and all rows
        # as texts would take more memory than what is made of them.
        decode, sent = _sent(text)
        futures = future_terms(decode(row) for row in sent if "/" in row["Symbol"])
        text.seek(0)
        decode, sent = _sent(text)
        for original in sent:
            try:
                rows.add(
                    decode_transaction(
                        decode(original),
                        account_number=account_number,
                        source=SOURCE,
                        futures=futures,
                        contracts=contracts,
                    )
                )
            except BadRow as error:
                rows.rejected.append(rejected_row("execution", error.reason, original))
    except (UnicodeDecodeError, csv.Error):
        raise TastytradeFileError("This is not an export of Tastytrade: it is not text.") from None
    return rows


def _sent(text: IO[str]) -> tuple[_Decode, Iterator[dict[str, str]]]:
    """Return how the file's layout is decoded, and its rows as they are read."""
    reader = csv.reader(text)
    columns = next(reader, [])
    names = set(columns)
    if names >= set(COLUMNS):
        return _transaction, _rows(reader, columns)
    if names >= set(_OLD_COLUMNS):
        return _old_transaction, _rows(reader, columns)
    lacking = ", ".join(name for name in COLUMNS if name not in names)
    raise TastytradeFileError(f"This is not an export of Tastytrade: it lacks {lacking}.")


def _rows(cells: Iterable[Sequence[str]], columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield rows by column: what a row lacks is empty, what no column names is left out."""
    missing = [""] * len(columns)
    for row in cells:
        if row:
            told = row if "".join(row).isprintable() else [cell.strip("\r\n") for cell in row]
            yield dict(zip(columns, [*told, *missing[len(told) :]], strict=False))


def _transaction(row: Mapping[str, str]) -> dict[str, str]:
    """Return a row of the export with the field names of the REST history."""
    future = row["Instrument Type"].startswith("Future")
    symbol = row["Symbol"] if future else row["Symbol"].strip()
    found = {
        "transaction-type": row["Type"].strip(),
        "transaction-sub-type": row["Sub Type"].strip(),
        "executed-at": row["Date"].strip(),
        "action": _action(row["Action"]),
        "symbol": symbol.strip(),
        "instrument-type": row["Instrument Type"].strip(),
        "underlying-symbol": row["Underlying Symbol"].strip(),
        "description": row["Description"].strip(),
        "value": row["Value"],
        "net-value": row.get("Total", ""),
        "quantity": row["Quantity"],
        "commission": _as_cost(row["Commissions"]),
        "fees": _as_cost(row["Fees"]),
        # Of options on futures it is 1 whatever the contract holds.
        "multiplier": "" if future else row["Multiplier"],
        "order-id": row["Order #"].strip(),
        "currency": row["Currency"].strip(),
    }
    return {name: value for name, value in found.items() if value}


def _old_transaction(row: Mapping[str, str]) -> dict[str, str]:
    kind = row["Transaction Code"].strip()
    option = row["Call/Put"].strip().upper()
    is_future = row["Symbol"].lstrip(". ").startswith("/")
    found = {
        "transaction-type": kind,
        "transaction-sub-type": row["Transaction Subcode"].strip(),
        "executed-at": _old_time(row["Date/Time"]),
        "action": _old_action(row),
        "symbol": row["Symbol"].strip(),
        "instrument-type": f"{'Future' if is_future else 'Equity'}{' Option' if option else ''}",
        "underlying-symbol": row["Symbol"].strip(),
        "description": row["Description"].strip(),
        "value": row["Amount"],
        "quantity": row["Quantity"],
        "fees": _as_cost(row["Fees"]),
        "price": row["Price"],
    }
    if option in _RIGHTS and not is_future:
        found["symbol"] = _old_option(row, _RIGHTS[option])
    return {name: value for name, value in found.items() if value}


def _old_option(row: Mapping[str, str], right: str) -> str:
    try:
        expiry = parse_clock(row["Expiration Date"].strip(), "%m/%d/%Y")
        strike = parse_decimal(row["Strike"], "Strike", required=True)
    except ValueError:
        return row["Symbol"].strip()
    return f"{row['Symbol'].strip():<6}{expiry:%y%m%d}{right}{int(strike * 1000):08d}"


def _old_action(row: Mapping[str, str]) -> str:
    side, effect = row["Buy/Sell"].strip().title(), row["Open/Close"].strip().title()
    return f"{side} to {effect}" if side and effect else side


def _old_time(text: str) -> str:
    try:
        local = parse_clock(text.strip(), "%m/%d/%Y %I:%M %p")
        return local.replace(tzinfo=_OLD_ZONE).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):  # No time, or the last evening of the calendar.
        return text


def _action(text: str) -> str:
    """``SELL_TO_OPEN`` → ``Sell to Open``."""
    words = text.strip().replace("_", " ").title()
    return words.replace(" To ", " to ")


def _as_cost(text: str) -> str:
    """Return a cost as the debit it is, whether the export signs it or not."""
    plain = text.strip()
    return f"-{plain}" if plain and plain[0].isdigit() else plain


def future_terms(rows: Iterable[Mapping[str, str]]) -> dict[str, FutureTerms]:
    """Return multiplier and last trading day of the futures the rows name.

    The value over quantity and price of a product's first row that has them tells an option's
    multiplier; else the product's table does.
    """
    learned: dict[str, tuple[str, Decimal]] = {}
    first_seen: dict[str, str] = {}
    for row in rows:
        at = row.get("executed-at", "")
        for code in futures_of([row]):
            first_seen[code] = min(at, first_seen.get(code, at))
            told = _learned_multiplier(row)
            known = learned.get(product_of(code))
            if told is not None and (known is None or at < known[0]):
                learned[product_of(code)] = (at, told)
    terms = {}
    for code, seen in first_seen.items():
        product = product_of(code)
        multiplier = learned[product][1] if product in learned else MULTIPLIERS.get(product)
        try:
            day = last_trading_day(code, near=datetime.fromisoformat(seen).date())
        except ValueError:
            day = None
        if multiplier is not None:
            terms[code] = FutureTerms(multiplier=multiplier, expiry=day)
    return terms


def _learned_multiplier(row: Mapping[str, str]) -> Decimal | None:
    if row.get("instrument-type") != "Future Option":
        return None
    _, found, text = row.get("description", "").rpartition("@ ")
    try:
        price = parse_decimal(text, "description") if found else None
        value = parse_decimal(row.get("value"), "value")
        quantity = parse_decimal(row.get("quantity"), "quantity")
    except BadRow:
        return None
    if not price or not value or not quantity:
        return None
    multiplier = abs(value) / (abs(price) * abs(quantity))
    if multiplier >= LARGEST_AMOUNT:
        return None
    return multiplier.quantize(Decimal("0.0001")).normalize()
