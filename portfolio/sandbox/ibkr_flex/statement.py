"""A Flex statement of the simulated accounts: what is booked up to the morning after each day."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from xml.sax.saxutils import quoteattr
from zoneinfo import ZoneInfo

from greeks.domain import Contract, InstrumentKind
from portfolio.domain import Side
from portfolio.sandbox.books import SimulatedAccount, SimulatedExecution

NEW_YORK: Final = ZoneInfo("America/New_York")
#: A day's statement is made the next morning there.
MADE_AT: Final = time(6)
_CATEGORIES: Final = {
    InstrumentKind.STOCK: "STK",
    InstrumentKind.INDEX: "IND",
    InstrumentKind.OPTION: "OPT",
}


def statement(
    accounts: Sequence[SimulatedAccount], start: date, end: date, *, at: datetime
) -> bytes:
    """Return the statement of all accounts, from ``start`` to ``end`` (New York's days)."""
    until = last_statement(at)
    parts = [
        '<FlexQueryResponse queryName="Greekdesk" type="AF">',
        f'<FlexStatements count="{len(accounts)}">',
    ]
    for account in accounts:
        parts += _account(account, start, min(end, until), at)
    parts.append("</FlexStatements></FlexQueryResponse>")
    return "\n".join(parts).encode()


def last_statement(at: datetime) -> date:
    """Return the last day of which a statement is made."""
    local = at.astimezone(NEW_YORK)
    return local.date() - timedelta(days=1 if local.time() >= MADE_AT else 2)


def _account(account: SimulatedAccount, start: date, end: date, at: datetime) -> list[str]:
    since = datetime.combine(start, time(), tzinfo=NEW_YORK).astimezone(UTC)
    fills = [
        fill
        for fill in account.executions(since)
        if fill.executed_at.astimezone(NEW_YORK).date() <= end
    ]
    number = account.account_number
    return [
        f'<FlexStatement accountId={quoteattr(number)} fromDate="{start:%Y%m%d}" '
        f'toDate="{end:%Y%m%d}" period="" whenGenerated="{_moment(at)}">',
        "<Trades>",
        *(_trade(number, fill) for fill in fills),
        "</Trades>",
        "</FlexStatement>",
    ]


def _trade(number: str, fill: SimulatedExecution) -> str:
    contract = fill.contract
    signed = fill.signed_quantity
    proceeds = -signed * fill.price * float(contract.multiplier)
    own = _number(fill.execution_id)
    return _tag(
        "Trade",
        accountId=number,
        **_contract(contract),
        tradeID=str(own),
        transactionID=str(10_000_000_000 + own),
        ibExecID=fill.execution_id,
        ibOrderID=str(fill.order_id),
        reportDate=f"{fill.executed_at.astimezone(NEW_YORK):%Y%m%d}",
        tradeDate=f"{fill.executed_at.astimezone(NEW_YORK):%Y%m%d}",
        dateTime=_moment(fill.executed_at),
        transactionType="ExchTrade",
        exchange="CBOE" if contract.is_option else "ARCA",
        quantity=f"{signed:g}",
        tradePrice=f"{fill.price:.10g}",
        proceeds=f"{proceeds:.2f}",
        taxes="0",
        ibCommission=f"{-fill.commission:.2f}",
        ibCommissionCurrency=contract.currency,
        netCash=f"{fill.cash_flow:.2f}",
        fifoPnlRealized=f"{fill.realized_pnl or 0:.2f}",
        openCloseIndicator="C" if fill.position_effect == "CLOSE" else "O",
        notes="P" if fill.quantity > 1 else "",
        buySell="BUY" if fill.side is Side.BUY else "SELL",
        levelOfDetail="EXECUTION",
    )


def _contract(contract: Contract) -> dict[str, str]:
    found = {
        "currency": contract.currency,
        "fxRateToBase": "1",
        "assetCategory": _CATEGORIES[contract.kind],
        "symbol": contract.symbol,
        "description": contract.description,
        "conid": contract.aliases["ibkr"],
        "listingExchange": contract.exchange,
        "multiplier": f"{contract.multiplier:f}",
    }
    if contract.is_option and contract.expiry and contract.strike is not None and contract.right:
        found |= {
            "underlyingSymbol": contract.underlying,
            "strike": f"{contract.strike.normalize():f}",
            "expiry": f"{contract.expiry:%Y%m%d}",
            "putCall": contract.right.value[0],
        }
    return found


def _number(execution_id: str) -> int:
    """Return the number under which the statement knows a fill."""
    return 1_000_000_000 + zlib.crc32(execution_id.encode())


def _moment(at: datetime) -> str:
    return f"{at.astimezone(NEW_YORK):%Y%m%d;%H%M%S}"


def _tag(name: str, **attributes: str) -> str:
    text = " ".join(f"{key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{name} {text}/>"
