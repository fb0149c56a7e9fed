"""IBKR's Activity Statement (CSV): sections, codes, several accounts, other languages."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

import pytest

from config.core.errors import InvalidInput
from portfolio.domain import CashKind
from portfolio.models import Account
from tests.trades.files import account_at, gross, open_lots, realized, take
from trades.models import CashMovementRow, TradeExecution

pytestmark = pytest.mark.django_db

TRADES = (
    "Trades,Header,DataDiscriminator,Asset Category,Currency,Account,Symbol,Date/Time,Quantity,"
    "T. Price,C. Price,Proceeds,Comm/Fee,Basis,Realized P/L,MTM P/L,Code\n"
)
STATEMENT = f"""Statement,Header,Field Name,Field Value
Statement,Data,Title,Activity Statement
Account Information,Header,Field Name,Field Value
Account Information,Data,Account,U1 (Main)
{TRADES}Trades,Data,Order,Stocks,USD,U1,XYZ,"2026-02-05, 09:31:00","1,000",10,10.1,-10000,-5,10005,0,100,O
Trades,Data,ClosedLot,Stocks,USD,U1,XYZ,2026-02-05,1000,10,,,,,,,ST
Trades,SubTotal,,Stocks,USD,,XYZ,,1000,,,-10000,-5,10005,0,100,
Trades,Data,Order,Equity and Index Options,USD,U1,XYZ 20MAR26 9 P,"2026-02-06, 10:00:00",-2,0.5,0.5,100,-1.3,,0,0,O
Trades,Data,Order,Equity and Index Options,USD,U1,XYZ 20MAR26 9 P,"2026-03-20, 16:20:00",2,0,0,0,0,,0,0,A;C
Trades,Data,Order,Stocks,USD,U1,XYZ,"2026-03-20, 16:20:00",200,9,8.5,-1800,0,,0,0,A;O
Trades,Data,Order,Equity and Index Options,USD,U1,XYZ 20MAR26 12 C,"2026-02-06, 10:00:00",-1,0.2,0.2,20,-0.65,,0,0,O
Trades,Data,Order,Equity and Index Options,USD,U1,XYZ 20MAR26 12 C,"2026-03-20, 16:20:00",1,0,0,0,0,,0,0,C;Ep
Trades,Total,,,USD,,,,,,,,,,,,
Trades,Header,DataDiscriminator,Asset Category,Currency,Account,Symbol,Date/Time,Quantity,T. Price,,Proceeds,Comm in USD,,,MTM in USD,Code
Trades,Data,Order,Forex,USD,U1,EUR.USD,"2026-02-07, 10:00:00",100,1.1,,-110,-2,,,0,
Corporate Actions,Header,Asset Category,Currency,Account,Report Date,Date/Time,Description,Quantity,Proceeds,Value,Realized P/L,Code
Corporate Actions,Data,Stocks,USD,U1,2026-04-02,"2026-04-01, 20:25:00","XYZ(US0000000001) Split 2 for 1 (XYZ, XYZ CORP, US0000000001)","1,200",0,0,0,
Corporate Actions,Data,Total,,,,,,,0,0,0,
Transfers,Header,Asset Category,Currency,Account,Symbol,Date,Type,Direction,Xfer Company,Xfer Account,Qty,Xfer Price,Market Value,Realized P/L,Cash Amount,Code
Transfers,Data,Stocks,USD,U1,ABC,2026-05-20,ACATS,In,--,5550001,250,--,"7,412.50",0.00,0.00,
Deposits & Withdrawals,Header,Currency,Account,Settle Date,Description,Amount
Deposits & Withdrawals,Data,USD,U1,2026-01-02,Electronic Fund Transfer,"20,000"
Deposits & Withdrawals,Data,Total,,,,20000
Dividends,Header,Currency,Account,Date,Description,Amount
Dividends,Data,USD,U1,2026-05-01,XYZ(US0000000001) Cash Dividend USD 0.10 per Share,240
Dividends,Data,Total in USD,,,,240
Withholding Tax,Header,Currency,Account,Date,Description,Amount,Code
Withholding Tax,Data,USD,U1,2026-05-01,XYZ(US0000000001) Cash Dividend - US Tax,-36,
Fees,Header,Subtitle,Currency,Account,Date,Description,Amount
Fees,Data,Other Fees,USD,U1,2026-05-02,Market data,-10
Interest,Header,Currency,Account,Date,Description,Amount
Interest,Data,USD,U1,2026-05-03,USD Debit Interest for Apr-2026,-3.21
Financial Instrument Information,Header,Asset Category,Symbol,Description,Conid,Security ID,Underlying,Listing Exch,Multiplier,Expiry,Delivery Month,Type,Strike,Code
Financial Instrument Information,Data,Equity and Index Options,XYZ 20MAR26 9 P,XYZ 20MAR26 9 P,7001,,XYZ,CBOE,100,2026-03-20,2026-03,P,9,
Financial Instrument Information,Data,Stocks,XYZ,XYZ CORP,7000,US0000000001,XYZ,NYSE,1,,,COMMON,,
"""  # noqa: E501


@pytest.fixture
def account() -> Account:
    return account_at("IBKR", "U1")


def test_every_section_is_read_and_sums_are_not(account: Account) -> None:
    imported = take(STATEMENT.encode())
    recorded = imported.recorded
    assert recorded.quarantined == 0, recorded.reasons
    assert imported.source == "ibkr_csv"
    assert recorded.by_kind == {
        "trade": 3,
        "assignment": 1,
        "delivery": 1,
        "expiration": 1,
        "fx": 1,
        "split": 1,
        "transfer": 1,
        "external_flow": 1,
        "dividend": 1,
        "tax": 1,
        "fee": 1,
        "interest": 1,
    }
    assert sum(recorded.ignored.values()) == 1
    held = {lot.instrument.symbol: Decimal(0) for lot in open_lots(account)}
    for lot in open_lots(account):
        held[lot.instrument.symbol] += lot.quantity
    assert held["XYZ"] == 2400
    assert held["ABC"] == 250
    closed = realized(account)
    assert gross(closed["XYZ   260320P00009000"]) == 100
    assert gross(closed["XYZ   260320C00012000"]) == 20
    interest = CashMovementRow.objects.get(kind=CashKind.INTEREST.value)
    assert interest.amount == Decimal("-3.21")
    assert CashMovementRow.objects.get(kind=CashKind.DIVIDEND.value).symbol == "XYZ"


def test_importing_again_adds_nothing(account: Account) -> None:
    first, again = take(STATEMENT.encode()), take(STATEMENT.encode())
    assert again.recorded.inserted == 0
    assert again.recorded.existing == first.recorded.inserted


def test_rows_go_to_their_accounts_and_unknown_ones_to_quarantine(account: Account) -> None:
    other = account_at("IBKR", "U2")
    text = STATEMENT.replace('Stocks,USD,U1,XYZ,"2026-02-05', 'Stocks,USD,U2,XYZ,"2026-02-05')
    text = text.replace("Transfers,Data,Stocks,USD,U1", "Transfers,Data,Stocks,USD,U3")
    recorded = take(text.encode()).recorded
    assert list(recorded.reasons) == ["account: 'U3' is not an account of this desk"]
    assert TradeExecution.objects.get(account=other).quantity == 1000


def test_executions_count_where_the_statement_has_them(account: Account) -> None:
    text = STATEMENT.split(TRADES)[0] + TRADES
    order = 'Stocks,USD,U1,XYZ,"2026-02-05, 09:31:0{}",{},10,10.1,-{}0,-{},,0,0,O\n'
    text += "Trades,Data,Order," + order.format(1, 10, 10, 2)
    text += "Trades,Data,Execution," + order.format(0, 4, 4, 1)
    text += "Trades,Data,Execution," + order.format(1, 6, 6, 1)
    take(text.encode())
    assert sorted(TradeExecution.objects.values_list("quantity", flat=True)) == [4, 6]


@pytest.mark.parametrize(
    "text",
    [
        "Statement,Header,Nombre del campo,Valor del campo\n",
        "Estado,Header,Feldname,Feldwert\n"
        "Transaktionen,Header,DataDiscriminator,Vermögenswertkategorie,Währung,Symbol_,Datum\n",
    ],
)
def test_statement_in_another_language_says_what_to_change(account: Account, text: str) -> None:
    with pytest.raises(InvalidInput, match="choose English"):
        take(text.encode())


FLEX = """<FlexQueryResponse><FlexStatements><FlexStatement accountId="U1"><Trades>
<Trade assetCategory="STK" symbol="XYZ" conid="7000" currency="USD" dateTime="20260205;093059"
 quantity="600" tradePrice="9.99" ibCommission="-3" ibExecID="0000a.1.01" ibOrderID="55"
 tradeID="1" transactionID="11" transactionType="ExchTrade" levelOfDetail="EXECUTION"/>
<Trade assetCategory="STK" symbol="XYZ" conid="7000" currency="USD" dateTime="20260205;093100"
 quantity="400" tradePrice="10.015" ibCommission="-2" ibExecID="0000a.2.01" ibOrderID="55"
 tradeID="2" transactionID="12" transactionType="ExchTrade" levelOfDetail="EXECUTION"/>
</Trades></FlexStatement></FlexStatements></FlexQueryResponse>"""


@pytest.mark.parametrize("order", list(permutations(("csv", "flex", "csv"))))
def test_an_order_gives_way_to_its_fills_whichever_comes_first(
    account: Account, order: tuple[str, ...]
) -> None:
    head = STATEMENT.split(TRADES)[0]
    row = 'Trades,Data,Order,Stocks,USD,U1,XYZ,"2026-02-05, 09:31:00",'
    text = head + TRADES + row + '"1,000",10,10.1,-10000,-5,10005,0,100,O;P\n'
    for name in order:
        take((FLEX if name == "flex" else text).encode())
    assert sum(lot.quantity for lot in open_lots(account)) == 1000
    live = TradeExecution.objects.filter(cancelled_by="", superseded=False)
    assert set(live.values_list("source", flat=True)) == {"flex"}
    again = take(text.encode())
    assert again.recorded.inserted == 0
