"""Small Flex statements with the vendor's own attributes."""

from __future__ import annotations

from itertools import count
from xml.sax.saxutils import quoteattr

_IDS = count(9_000_001)

_CONTRACT = {
    "accountId": "U1", "acctAlias": "", "model": "", "currency": "USD", "fxRateToBase": "1",
    "assetCategory": "STK", "subCategory": "", "symbol": "XYZ", "description": "", "conid": "",
    "isin": "", "listingExchange": "", "underlyingConid": "", "underlyingSymbol": "",
    "multiplier": "1", "strike": "", "expiry": "", "putCall": "", "principalAdjustFactor": "",
}  # fmt: skip
_TRADE = {
    "tradeID": "", "dateTime": "20260105;093500", "tradeDate": "20260105",
    "transactionType": "ExchTrade", "exchange": "SMART", "quantity": "", "tradePrice": "",
    "tradeMoney": "", "proceeds": "", "taxes": "0", "ibCommission": "0",
    "ibCommissionCurrency": "USD", "netCash": "", "closePrice": "", "openCloseIndicator": "",
    "notes": "", "cost": "", "fifoPnlRealized": "0", "buySell": "", "ibOrderID": "",
    "ibExecID": "", "origTradeID": "", "transactionID": "", "levelOfDetail": "EXECUTION",
}  # fmt: skip
_ACTION = {
    "reportDate": "20260302", "dateTime": "20260227;202500", "actionDescription": "",
    "amount": "0", "proceeds": "0", "value": "0", "quantity": "", "fifoPnlRealized": "0",
    "mtmPnl": "0", "code": "", "type": "", "transactionID": "", "actionID": "",
    "levelOfDetail": "DETAIL",
}  # fmt: skip


def trade(day: str, quantity: str, price: str, **changes: str) -> str:
    """Return a fill; a day is ``20260105``, or with its time."""
    number = str(next(_IDS))
    signed = quantity.startswith("-")
    values = {
        "dateTime": day if ";" in day else f"{day};093500",
        "tradeDate": day[:8],
        "quantity": quantity,
        "tradePrice": price,
        "buySell": "SELL" if signed else "BUY",
        "tradeID": number,
        "transactionID": number,
        "ibExecID": f"0000{number}.0a.01.01",
        "ibOrderID": f"7{number}",
    }
    return _row("Trade", _CONTRACT | _TRADE | values | changes)


def booked(day: str, quantity: str, price: str, **changes: str) -> str:
    """Return a booking: no execution id, and its transaction for an order."""
    number = str(next(_IDS))
    values = {
        "transactionType": "BookTrade",
        "exchange": "--",
        "transactionID": number,
        "ibOrderID": number,
        "ibExecID": "",
    }
    return trade(day if ";" in day else f"{day};162000", quantity, price, **(values | changes))


def option(symbol: str, **changes: str) -> dict[str, str]:
    """Return the attributes of an option by its OCC symbol."""
    root, rest = symbol[:6].strip(), symbol[6:]
    return {
        "assetCategory": "OPT",
        "symbol": symbol,
        "underlyingSymbol": root,
        "multiplier": "100",
        "expiry": f"20{rest[:6]}",
        "putCall": rest[6],
        "strike": f"{int(rest[7:]) / 1000:g}",
    } | changes


def action(kind: str, quantity: str, description: str, **changes: str) -> str:
    values = {"type": kind, "quantity": quantity, "description": description}
    values |= {"transactionID": str(next(_IDS)), "actionDescription": description}
    return _row("CorporateAction", _CONTRACT | _ACTION | values | changes)


def statement(*rows: str, account: str = "U1") -> bytes:
    sections = {"Trade": "Trades", "Order": "Trades", "CorporateAction": "CorporateActions"}
    sections |= {"Transfer": "Transfers", "CashTransaction": "CashTransactions"}
    sections |= {"StatementOfFundsLine": "StmtFunds"}
    text = "".join(
        f"<{name}>{row}</{name}>" for row in rows for name in (sections[row[1:].split(" ", 1)[0]],)
    )
    return (
        '<FlexQueryResponse queryName="All" type="AF"><FlexStatements count="1">'
        f'<FlexStatement accountId="{account}" fromDate="20260101" toDate="20261231" '
        f'period="LastYear" whenGenerated="20270101;010000">{text}</FlexStatement>'
        "</FlexStatements></FlexQueryResponse>"
    ).encode()


def row(name: str, **attributes: str) -> str:
    return _row(name, {"accountId": "U1", **attributes})


def _row(name: str, attributes: dict[str, str]) -> str:
    told = " ".join(f"{key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{name} {told} />"
