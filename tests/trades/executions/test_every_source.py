"""The same fills as each of a broker's sources sends them, in every order: one row each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from greeks.domain import Contract
from portfolio.brokers.ibkr_portal.contracts import decode_contract
from portfolio.brokers.ibkr_portal.orders import decode_execution as decode_portal
from portfolio.brokers.ibkr_socket.orders import decode_execution as decode_socket
from portfolio.brokers.tastytrade.transactions import decode_transaction
from portfolio.domain import Broker
from portfolio.models import Account
from tests.trades.files import account_at, net_by_contract, taken
from tests.trades.importing.flex_builder import option, statement, trade
from trades.executions.rows import Executions, JournalRows
from trades.executions.store import record_rows
from trades.importing.tastytrade_csv import future_terms
from trades.models import QuarantinedExecution, TradeExecution

pytestmark = pytest.mark.django_db
UTC_TIME = datetime(2026, 1, 5, 14, 35, tzinfo=UTC)
#: Flex category, the desk's name, and the terms as the socket sends them: symbol, last trading day,
#: strike, right, multiplier, local symbol, trading class.
CLASSES = {
    "STK": ("XYZ", "XYZ", "", "0", "", "", "XYZ", "NMS"),
    "OPT": ("XYZ   260320P00050000", "XYZ", "20260320", "50", "P", "100",
            "XYZ   260320P00050000", "XYZ"),
    # AM settlement: the last trading day is the day before expiry.
    "INDEX": ("SPX   260320C05000000", "SPX", "20260319", "5000", "C", "100",
              "SPX   260320C05000000", "SPX"),
    "FUT": ("ES 20260320", "ES", "20260320", "0", "", "50", "ESH6", "ES"),
    "FOP": ("EW2 20260213 P 6900", "ES", "20260213", "6900", "P", "50", "EW2G6 P6900", "EW2"),
    "CASH": ("EUR.USD", "EUR", "", "0", "", "", "EUR.USD", "EUR.USD"),
}  # fmt: skip
PRICES = {"STK": "10.01", "OPT": "2.5", "INDEX": "40.1", "FUT": "7000.25", "FOP": "20.5",
          "CASH": "1.0925"}  # fmt: skip


def conid(name: str) -> str:
    return str(7000 + list(CLASSES).index(name))


def socket_row(name: str) -> dict[str, str]:
    _, symbol, expiry, strike, right, multiplier, local, trading_class = CLASSES[name]
    return {
        "reqId": "1", "orderId": "5", "conid": conid(name), "symbol": symbol,
        "secType": "OPT" if name == "INDEX" else name, "expiry": expiry, "strike": strike,
        "right": right, "multiplier": multiplier, "exchange": "SMART", "currency": "USD",
        "localSymbol": local, "tradingClass": trading_class,
        "execId": f"0000aaaa.{conid(name)}.01.01", "time": "20260105 09:35:00 US/Eastern",
        "account": "U1", "market": "CBOE", "side": "SLD", "shares": "2", "price": PRICES[name],
        "permId": f"66{conid(name)}", "clientId": "0", "cumQty": "2", "avgPrice": PRICES[name],
    }  # fmt: skip


def definition(name: str) -> Contract:
    _, symbol, expiry, strike, right, multiplier, local, trading_class = CLASSES[name]
    told = {"conid": conid(name), "assetClass": "OPT" if name == "INDEX" else name}
    told |= {"ticker": symbol, "expiry": expiry, "strike": strike, "putOrCall": right}
    told |= {"multiplier": multiplier or "0.0", "currency": "USD", "tradingClass": trading_class}
    bracket = {"contractDesc": f"[{local} {multiplier}]"} if multiplier == "100" else {}
    return decode_contract(told | bracket)


def portal_row(name: str) -> dict[str, Any]:
    return {
        "execution_id": f"0000aaaa.{conid(name)}.01.01", "symbol": CLASSES[name][1],
        "side": "S", "order_description": "Sold 2", "trade_time": "20260105-14:35:00",
        "trade_time_r": int(UTC_TIME.timestamp() * 1000) + 512, "size": 2.0,
        "price": PRICES[name], "order_id": int(f"66{conid(name)}"), "exchange": "CBOE",
        "commission": "1.3", "account": "U1", "conid": int(conid(name)), "position": "0",
    }  # fmt: skip


def flex_row(name: str) -> str:
    _, symbol, expiry, strike, right, multiplier, local, _ = CLASSES[name]
    told = {"assetCategory": name, "symbol": local, "conid": conid(name)}
    if name in ("OPT", "INDEX"):
        told |= option(local, conid=conid(name), expiry=expiry)
    elif name not in ("STK", "CASH"):
        told |= {"underlyingSymbol": symbol, "expiry": expiry, "multiplier": multiplier}
        told |= {"strike": strike, "putCall": right} if right else {}
    return trade(
        "20260105", "-2", PRICES[name], ibCommission="-1.31", openCloseIndicator="O",
        ibExecID=f"0000aaaa.{conid(name)}.01.01", ibOrderID="99", **told,
    )  # fmt: skip


def activity_statement() -> bytes:
    """Orders, with the contracts as the statement's list of instruments has them."""
    names = {"STK": "Stocks", "FUT": "Futures", "FOP": "Options On Futures", "CASH": "Forex"}
    symbols = {"OPT": "XYZ 20MAR26 50 P", "INDEX": "SPX 20MAR26 5000 C"}
    rows, instruments = "", ""
    for name, (_, symbol, expiry, strike, right, multiplier, local, _) in CLASSES.items():
        category = names.get(name, "Equity and Index Options")
        shown = symbols.get(name, local)
        rows += (
            f'Trades,Data,Order,{category},USD,{shown},"2026-01-05, 09:35:00",-2,{PRICES[name]},'
            "0,0,-1.31,0,0,0,O\n"
        )
        day = f"{expiry[:4]}-{expiry[4:6]}-{expiry[6:]}" if expiry else ""
        instruments += (
            f"Financial Instrument Information,Data,{category},{shown},{shown},{conid(name)},,"
            f"{symbol},CBOE,{multiplier or 1},{day},,{right},{strike if right else ''},\n"
        )
    head = "Statement,Header,Field Name,Field Value\nStatement,Data,Title,Activity Statement\n"
    head += "Account Information,Header,Field Name,Field Value\n"
    head += "Account Information,Data,Account,U1\n"
    head += "Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,"
    head += "T. Price,C. Price,Proceeds,Comm/Fee,Basis,Realized P/L,MTM P/L,Code\n"
    columns = "Financial Instrument Information,Header,Asset Category,Symbol,Description,Conid,"
    columns += "Security ID,Underlying,Listing Exch,Multiplier,Expiry,Delivery Month,Type,Strike\n"
    return (head + rows + columns + instruments).encode()


def by_socket() -> None:
    zone = ZoneInfo("America/New_York")
    fills = [decode_socket(socket_row(name), None, None, zone=zone) for name in CLASSES]
    record_rows(JournalRows(executions=Executions(fills)), broker=Broker.IBKR, source="ibkr")


def by_portal() -> None:
    known = {conid(name): definition(name) for name in CLASSES}
    fills = [decode_portal(portal_row(name), known, account_number="U1") for name in CLASSES]
    record_rows(JournalRows(executions=Executions(fills)), broker=Broker.IBKR, source="ibkr")


def by_flex() -> None:
    taken(statement(*map(flex_row, CLASSES)))


def by_activity_statement() -> None:
    taken(activity_statement())


@pytest.mark.parametrize(
    "order", list(permutations((by_socket, by_portal, by_flex, by_activity_statement)))
)
def test_rule_1_fill_by_every_source_of_ibkr_is_one_row(
    order: tuple[Callable[[], None], ...],
) -> None:
    account_at("IBKR", "U1")
    for source in (*order, *order[:2]):
        source()
    assert QuarantinedExecution.objects.count() == 0
    live = TradeExecution.objects.filter(superseded=False, cancelled_by="")
    stored = sorted((row.symbol, row.signed_quantity, row.commission) for row in live)
    wanted = [(names[0], Decimal(-2), Decimal("1.31")) for names in CLASSES.values()]
    assert stored == sorted(wanted)


# --- Tastytrade ---
def item(number: int, type_name: str, sub_type: str, **fields: str) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return {
        "id": str(number), "account-number": "5WX00001", "transaction-type": type_name,
        "transaction-sub-type": sub_type, **named,
    }  # fmt: skip


HISTORY = [
    item(9001, "Trade", "Buy to Open", action="Buy to Open", symbol="XYZ",
         instrument_type="Equity", quantity="7.0", price="10.3333", value="72.33",
         value_effect="Debit", net_value="72.34", net_value_effect="Debit", order_id="1",
         clearing_fees="0.01", clearing_fees_effect="Debit",
         executed_at="2026-01-05T14:35:00.123+00:00", description="Bought 7 XYZ @ 10.33"),
    item(9002, "Trade", "Sell to Open", action="Sell to Open", symbol="XYZ   260116P00050000",
         instrument_type="Equity Option", underlying_symbol="XYZ", quantity="1.0", price="2.5",
         value="250.0", value_effect="Credit", order_id="2", commission="1.0",
         commission_effect="Debit", executed_at="2026-01-05T14:35:01.900+00:00",
         description="Sold 1 XYZ 01/16/26 Put 50.00 @ 2.50"),
    # The history names no side; the export does.
    item(9003, "Receive Deliver", "Expiration", symbol="XYZ   260116P00050000",
         instrument_type="Equity Option", underlying_symbol="XYZ", quantity="1.0", value="0.0",
         value_effect="None", executed_at="2026-01-16T21:00:00.000+00:00",
         description="Removal of option due to expiration"),
    item(9004, "Trade", "Buy", action="Buy", symbol="/ESH6", instrument_type="Future",
         quantity="1.0", price="6800.25", value="0.0", value_effect="None", order_id="3",
         executed_at="2026-01-05T14:36:00.500+00:00", description="Bought 1 /ESH6 @ 6800.25"),
    item(9005, "Trade", "Sell to Open", action="Sell to Open", symbol="./ESH6 EW2G6 260213P6900",
         instrument_type="Future Option", underlying_symbol="/ESH6", quantity="1.0",
         price="20.5", value="1025.0", value_effect="Credit", order_id="4",
         executed_at="2026-01-05T14:37:00.500+00:00",
         description="Sold 1 /ESH6 EW2G6 02/13/26 Put 6900.00 @ 20.5"),
]  # fmt: skip
EXPORT = """\
Date,Type,Sub Type,Action,Symbol,Instrument Type,Description,Value,Quantity,Average Price,Commissions,Fees,Multiplier,Root Symbol,Underlying Symbol,Expiration Date,Strike Price,Call or Put,Order #,Total,Currency
2026-01-16T21:00:00+0000,Receive Deliver,Expiration,BUY_TO_CLOSE,XYZ   260116P00050000,Equity Option,Removal of option due to expiration,0.00,1,0.00,--,0.00,100,XYZ,XYZ,1/16/26,50,PUT,,0.00,USD
2026-01-05T14:37:00+0000,Trade,Sell to Open,SELL_TO_OPEN,./ESH6 EW2G6 260213P6900,Future Option,Sold 1 /ESH6 EW2G6 02/13/26 Put 6900.00 @ 20.5,"1,025.00",1,"1,025.00",0.00,0.00,1,./ESH6 EW2G6 ,/ESH6,2/13/26,6900,PUT,4,"1,025.00",USD
2026-01-05T14:36:00+0000,Trade,Buy,BUY,/ESH6,Future,Bought 1 /ESH6 @ 6800.25,0.00,1,0.00,0.00,0.00,,,,,,,3,0.00,USD
2026-01-05T14:35:01+0000,Trade,Sell to Open,SELL_TO_OPEN,XYZ   260116P00050000,Equity Option,Sold 1 XYZ 01/16/26 Put 50.00 @ 2.50,250.00,1,250.00,-1.00,0.00,100,XYZ,XYZ,1/16/26,50,PUT,2,249.00,USD
2026-01-05T14:35:00+0000,Trade,Buy to Open,BUY_TO_OPEN,XYZ,Equity,Bought 7 XYZ @ 10.33,-72.33,7,-10.33,0.00,-0.01,,,,,,,1,-72.34,USD
"""  # noqa: E501


def by_history() -> None:
    futures = future_terms(HISTORY)
    rows = JournalRows()
    for told in HISTORY:
        rows.add(
            decode_transaction(
                told, account_number="5WX00001", source="tastytrade", futures=futures
            )
        )
    record_rows(rows, broker=Broker.TASTY, source="tastytrade")


def by_export() -> None:
    taken(EXPORT.encode(), Account.objects.get())


@pytest.mark.parametrize("order", list(permutations((by_history, by_export))))
def test_rule_1_fill_by_history_and_export_of_tastytrade_is_one_row(
    order: tuple[Callable[[], None], ...],
) -> None:
    account = account_at("TASTY", "5WX00001")
    for source in (*order, *order):
        source()
    assert QuarantinedExecution.objects.count() == 0
    stored = TradeExecution.objects.values_list("broker_execution_id", flat=True)
    assert sorted(stored) == ["9001", "9002", "9003", "9004", "9005"]
    assert TradeExecution.objects.get(broker_execution_id="9001").price == Decimal("10.3333")
    assert net_by_contract(account) == {"XYZ   260116P00050000": Decimal("249.00")}
