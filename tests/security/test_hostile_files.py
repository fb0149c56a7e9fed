"""An uploaded file may say anything: it is read, its rows are refused, or it is no statement."""

from __future__ import annotations

import gzip
import io

import pytest

from config.core.errors import InvalidInput
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
    ids=["bomb", "file", "deep", "twice", "nul", "utf-7", "gzip", "returns", "opening", "empty", "columns"],
)  # fmt: skip
def test_file_that_is_no_statement_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_file(content)


@pytest.mark.parametrize("strike", ["1e999999", "9" * 400, "٣", "NaN", "-1e5000"])
def test_strike_without_end_costs_its_row_alone(strike: str) -> None:
    row = dict.fromkeys(HEADER.split(","), "") | {
        "Date/Time": "01/02/2025 10:00 AM", "Transaction Code": "Trade", "Symbol": "SPY",
        "Transaction Subcode": "Buy to Open", "Buy/Sell": "Buy", "Open/Close": "Open",
        "Quantity": "1", "Expiration Date": "01/17/2025", "Strike": strike, "Call/Put": "C",
        "Price": "1", "Fees": "0", "Amount": "-100", "Description": "Bought",
    }  # fmt: skip
    content = f"{HEADER}\n{','.join(row.values())}\n".encode()
    rows = read_tastytrade_csv(io.BytesIO(content), account_number="5WX00001")
    assert (len(rows.executions), len(rows.rejected)) == (0, 1)
