"""An uploaded file may say anything: it is read, its rows are refused, or it is no statement."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from typing import Any

import pytest
from defusedxml.ElementTree import iterparse

from config.core.errors import InvalidInput
from trades.importing import flex_elements
from trades.importing.files import read_file
from trades.importing.tastytrade_csv import read_tastytrade_csv

TRADE = (
    '<Trade accountId="U1" assetCategory="STK" symbol="AAPL" currency="USD" multiplier="1" '
    'conid="265598" dateTime="20250102;100000" buySell="BUY" quantity="{}" tradePrice="{}" '
    'ibExecID="x" transactionID="1" tradeID="2"/>'
)
HEADER = (
    "Date/Time,Transaction Code,Transaction Subcode,Symbol,Buy/Sell,Open/Close,Quantity,"
    "Expiration Date,Strike,Call/Put,Price,Fees,Amount,Description,Account Reference"
)
ENTITIES = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(8))


def flex(content: str, before: str = "") -> bytes:
    statement = f'<FlexStatement accountId="U1">{content}</FlexStatement>'
    return (
        f"{before}<FlexQueryResponse><FlexStatements>{statement}</FlexStatements>"
        "</FlexQueryResponse>"
    ).encode()


@pytest.mark.parametrize(
    ("quantity", "price"),
    [
        ("1e999999999", "1"), ("-1e999999999", "1"), ("1", "1e-999999999"), ("1", "9" * 400),
        ("٣", "1"), ("1", "１２"), ("1_000", "1"), ("1", "0x1"), ("NaN", "1"), ("1", "1 000"),
    ],
)  # fmt: skip
def test_number_that_is_none_costs_its_row_alone(quantity: str, price: str) -> None:
    rows = read_file(flex(TRADE.format(quantity, price) + TRADE.format(2, 3))).rows
    assert [row.quantity for row in rows.executions][-1] == 2
    assert len(rows.executions) + len(rows.rejected) == 2


HUGE, TINY = "999999999999", "0.00000001"
OPTION = (
    '<Trade accountId="U1" assetCategory="OPT" symbol="SPX   250117C05000000" currency="USD" '
    f'multiplier="1" conid="5" dateTime="20250117;162000" quantity="-{TINY}" tradePrice="0" '
    'transactionType="BookTrade" notes="Ex" transactionID="4"/>'
)
CASH = (
    '<StatementOfFundsLine accountId="U1" symbol="SPX   250117C05000000" levelOfDetail="Currency" '
    f'activityDescription="Option Cash Settlement for: Exercise" amount="{HUGE}"/>'
)


@pytest.mark.parametrize(
    "row",
    [
        TRADE.format(TINY, "").replace("/>", f' proceeds="{HUGE}"/>'),
        TRADE.format(TINY, "").replace("/>", f' cost="{HUGE}" fifoPnlRealized="0"/>'),
        TRADE.format(1, 2).replace("/>", f' ibCommission="{HUGE}" ibCommissionCurrency="EUR"/>')
        + f'<ConversionRate fromCurrency="EUR" toCurrency="USD" rate="{HUGE}"/>',
        '<CorporateAction accountId="U1" assetCategory="STK" symbol="AAPL" multiplier="1" '
        f'type="TC" conid="5" dateTime="20250102;100000" currency="USD" quantity="-{TINY}" '
        f'proceeds="{HUGE}"/>',
        OPTION + CASH,
    ],
    ids=["proceeds", "cost", "rate", "action", "settlement"],
)
def test_quotient_too_large_to_store_costs_its_row_alone(row: str) -> None:
    rows = read_file(flex(TRADE.format(2, 3) + row)).rows
    assert next(iter(rows.executions)).quantity == 2
    assert [rejected.reason for rejected in rows.rejected if "too large" in rejected.reason]


def test_booking_without_its_time_costs_its_row_alone() -> None:
    head = "Statement,Header,Field Name,Field Value\nAccount Information,Header,Field Name,Field "
    head += "Value\nAccount Information,Data,Account,U1\nTrades,Header,DataDiscriminator,"
    head += "Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,Proceeds,Comm/Fee,Code\n"
    booked = "Trades,Data,Order,Stocks,USD,XYZ,{},100,10,-1000,0,A\n"
    rows = read_file((head + booked.format("") + booked.format("20250102;100000")).encode()).rows
    assert [row.quantity for row in rows.executions] == [100]
    assert [row.reason for row in rows.rejected] == ["dateTime: missing"]


@pytest.mark.parametrize(
    "content",
    [
        flex("&a8;", f'<!DOCTYPE l [<!ENTITY a0 "aaaaaaaaaa">{ENTITIES}]>'),
        flex("&x;", '<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/hostname">]>'),
        flex("<a>" * 20_000).replace(b"</FlexStatement>", b""),
        flex('<Trade a="1" a="2"/>'),
        flex("\0"),
        b'<?xml version="1.0" encoding="utf-7"?>' + flex(""),
        gzip.compress(b"0" * 5_000_000, mtime=0x0D0D0D),
        b"Statement,Header,a,b\rc" * 9 + b"d" * 200_000,
        b"<" * 10_000,
        b"",
        b"Statement,Header,Field Name,Field Value\nTrades,Header," + b"a," * 10_000,
    ],
    ids=["bomb", "file", "deep", "twice", "nul", "utf-7", "gzip", "returns", "opening", "empty",
         "columns"],
)  # fmt: skip
def test_file_that_is_no_statement_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_file(content)


@pytest.mark.parametrize(
    "row",
    [
        "<a>" * 30 + "</a>" * 30,
        "<Trade " + " ".join(f'a{number}="1"' for number in range(600)) + "/>",
        "<Trade " + " " * 70_000 + "/>",
        "<!--" + "x" * 70_000 + "-->",
    ],
    ids=["deep", "attributes", "long", "comment"],
)
def test_row_that_would_take_seconds_ends_the_reading(row: str) -> None:
    with pytest.raises(InvalidInput, match="a row is too large"):
        read_file(flex(row))


def test_parser_is_given_large_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """It scans a token that has not ended, such as a comment, again with each piece."""
    pieces: list[int] = []

    def reading(file: Any, **options: Any) -> Iterator[tuple[str, Any]]:
        read = file.read

        def noted(size: int) -> bytes:
            piece: bytes = read(size)
            pieces.append(len(piece))
            return piece

        file.read = noted
        return iter(iterparse(file, **options))

    monkeypatch.setattr(flex_elements, "iterparse", reading)
    read_file(flex("<!--" + "< " * 300_000 + "-->"))
    assert len(list(filter(None, pieces))) == 1


def test_empty_file_is_said_to_be_empty() -> None:
    with pytest.raises(InvalidInput, match="is empty"):
        read_file(b"\r\n")


def old_row(**changes: str) -> bytes:
    row = dict.fromkeys(HEADER.split(","), "") | {
        "Date/Time": "01/02/2025 10:00 AM", "Transaction Code": "Trade", "Symbol": "SPY",
        "Transaction Subcode": "Buy to Open", "Buy/Sell": "Buy", "Open/Close": "Open",
        "Quantity": "1", "Expiration Date": "01/17/2025", "Call/Put": "C", "Price": "1",
        "Fees": "0", "Amount": "-100", "Description": "Bought",
    }  # fmt: skip
    return f"{HEADER}\n{','.join((row | changes).values())}\n".encode()


@pytest.mark.parametrize(
    "changes",
    [
        *({"Strike": text} for text in ("1e999999", "9" * 400, "٣", "NaN", "-1e5000")),
        {"Strike": "500", "Date/Time": "12/31/9999 11:59 PM"},
        {"Call/Put": "", "Quantity": TINY, "Price": "", "Amount": HUGE},
    ],
)  # fmt: skip
def test_row_of_the_old_layout_that_cannot_be_costs_itself_alone(changes: dict[str, str]) -> None:
    content = io.BytesIO(old_row(**changes))
    rows = read_tastytrade_csv(content, account_number="5WX00001")
    assert (len(rows.executions), len(rows.rejected)) == (0, 1)


def test_multiplier_too_large_is_not_learned() -> None:
    """That of an option on a future is value ÷ quantity ÷ price."""
    content = old_row(
        Symbol="./ESU5 E3AU5 250815P6400", Quantity=TINY, Amount=HUGE,
        Description=f"Bought 1 @ {TINY}",
    )  # fmt: skip
    [row] = read_tastytrade_csv(io.BytesIO(content), account_number="5WX00001").executions
    assert row.contract.multiplier == 50
