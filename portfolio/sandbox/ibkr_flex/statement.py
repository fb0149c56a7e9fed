"""A Flex statement of the simulated accounts: what is booked up to the morning after each day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from xml.sax.saxutils import quoteattr
from zoneinfo import ZoneInfo

from greeks.domain import Contract
from greeks.sandbox.lines import dollars
from portfolio.domain import ExecutionKind, Side
from portfolio.sandbox.books import SimulatedAccount
from portfolio.sandbox.fills import SimulatedExecution
from portfolio.sandbox.ibkr_portal.payloads import sec_type
from portfolio.sandbox.ibkr_terms import last_trading_day, local_symbol, ticker
from portfolio.sandbox.revisions import (
    CANCELLED_AFTER,
    CORRECTED_AFTER,
    Revision,
    is_printed_twice,
    number_of,
    revisions,
)

NEW_YORK: Final = ZoneInfo("America/New_York")
#: A day's statement is made the next morning there.
MADE_AT: Final = time(6)
_NOTES: Final = {
    ExecutionKind.EXPIRATION: "Ep",
    ExecutionKind.ASSIGNMENT: "A",
    ExecutionKind.EXERCISE: "Ex",
    ExecutionKind.CASH_SETTLEMENT: "",
    ExecutionKind.DELIVERY: "",
}
_EAE_NAMES: Final = {"Ep": "Expiration", "A": "Assignment", "Ex": "Exercise"}


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
    rows = [row for row in account.executions(since) if _day(row.executed_at) <= end]
    number = account.account_number
    exercised = [row for row in rows if row.kind in _NOTES]
    splits = [row for row in rows if row.kind is ExecutionKind.SPLIT]
    return [
        f'<FlexStatement accountId={quoteattr(number)} fromDate="{start:%Y%m%d}" '
        f'toDate="{end:%Y%m%d}" period="" whenGenerated="{_moment(at)}">',
        "<Trades>",
        *(tag for row in rows for tag in _trades(number, row)),
        "</Trades>",
        "<OptionEAE>",
        *(_option_eae(number, row) for row in exercised if row.contract.is_option),
        "</OptionEAE>",
        "<CorporateActions>",
        *(_split(number, row) for row in splits),
        "</CorporateActions>",
        "<CashTransactions>",
        *([_deposit(account)] if start <= account.begins_on <= end else []),
        "</CashTransactions>",
        "</FlexStatement>",
    ]


def _trades(number: str, row: SimulatedExecution) -> list[str]:
    """Return what the statement says of one fill or booking, cancels and rebookings included."""
    if row.kind is ExecutionKind.SPLIT:
        return []
    if row.kind is not ExecutionKind.TRADE:
        return [_booking(number, row)]
    first, *later = revisions(row, row.executed_at + timedelta(days=1))
    tags = [_trade(number, row, first)]
    if later:
        tags.append(_cancel(number, row, first, rebooked=later[-1].execution_id))
        tags.append(_trade(number, row._replace(commission=0.0), later[-1]))
    elif is_printed_twice(row):
        stem, revision = row.execution_id.rsplit(".", 1)
        again = Revision(f"{stem}7.{revision}", row.price)
        tags += [_trade(number, row, again), _cancel(number, row, again, rebooked="")]
    return tags


def _trade(number: str, fill: SimulatedExecution, told: Revision) -> str:
    own, signed = number_of(told.execution_id), fill.signed_quantity
    proceeds = -signed * told.price * float(fill.contract.multiplier)
    return _tag(
        "Trade",
        **_common(number, fill),
        tradeID=str(number_of(told.execution_id.rpartition(".")[0])),
        transactionID=str(10 * own),
        ibExecID=told.execution_id,
        ibOrderID=str(fill.order_id),
        dateTime=_moment(fill.executed_at),
        transactionType="ExchTrade",
        exchange="CBOE" if fill.contract.is_option else "ARCA",
        quantity=f"{signed:g}",
        tradePrice=f"{told.price:.10g}",
        proceeds=f"{proceeds:.2f}",
        taxes="0",
        ibCommission=f"{-fill.commission:.2f}",
        ibCommissionCurrency=fill.contract.currency,
        netCash=f"{proceeds - fill.commission:.2f}",
        fifoPnlRealized=f"{fill.realized_pnl or 0:.2f}",
        openCloseIndicator=_effect(fill),
        notes="P" if fill.quantity > 1 else "",
        buySell=_side(fill),
        levelOfDetail="EXECUTION",
    )


def _cancel(number: str, fill: SimulatedExecution, told: Revision, *, rebooked: str) -> str:
    """Return the row that takes a fill back; it has neither execution id nor trade id."""
    own = 10 * number_of(told.execution_id)
    return _tag(
        "Trade",
        **_common(number, fill),
        tradeID="",
        transactionID=str(own + 1),
        origTransactionID=str(own),
        origTradeID=str(number_of(told.execution_id.rpartition(".")[0])),
        ibExecID="",
        dateTime=_moment(fill.executed_at + (CORRECTED_AFTER if rebooked else CANCELLED_AFTER)),
        transactionType="TradeCancel",
        quantity=f"{-fill.signed_quantity:g}",
        tradePrice=f"{told.price:.10g}",
        ibCommission="0",
        notes="Ca",
        buySell=f"{_side(fill)} (Ca.)",
        levelOfDetail="EXECUTION",
    )


def _booking(number: str, row: SimulatedExecution) -> str:
    """Return a settlement: price 0 or the strike, no execution id; its order id is its own."""
    own = str(10 * number_of(row.execution_id))
    proceeds = -row.signed_quantity * row.price * float(row.contract.multiplier)
    return _tag(
        "Trade",
        **_common(number, row),
        tradeID=str(number_of(row.execution_id)),
        transactionID=own,
        ibExecID="",
        ibOrderID=own,
        dateTime=_settled(row),
        transactionType="BookTrade",
        exchange="--",
        quantity=f"{row.signed_quantity:g}",
        tradePrice=f"{row.price:.10g}",
        proceeds=f"{proceeds:.2f}",
        taxes="0",
        ibCommission="0",
        netCash=f"{proceeds:.2f}",
        openCloseIndicator=_effect(row),
        notes=_note(row),
        buySell=_side(row),
        levelOfDetail="EXECUTION",
    )


def _option_eae(number: str, row: SimulatedExecution) -> str:
    return _tag(
        "OptionEAE",
        accountId=number,
        **_contract(row.contract),
        date=f"{_day(row.executed_at):%Y%m%d}",
        transactionType=_EAE_NAMES[_note(row)],
        quantity=f"{row.signed_quantity:g}",
        tradePrice=f"{row.price:.10g}",
        tradeID="",
    )


def _split(number: str, row: SimulatedExecution) -> str:
    """Return a forward split, told as its difference."""
    return _tag(
        "CorporateAction",
        accountId=number,
        **_contract(row.contract),
        reportDate=f"{_day(row.executed_at):%Y%m%d}",
        dateTime=f"{_day(row.executed_at):%Y%m%d};202500",
        actionDescription=f"{row.contract.symbol} SPLIT 2 FOR 1",
        type="FS",
        quantity=f"{row.quantity:g}",
        proceeds="0",
        value="0",
        transactionID=str(10 * number_of(row.execution_id)),
        levelOfDetail="DETAIL",
    )


def _deposit(account: SimulatedAccount) -> str:
    number = account.account_number
    return _tag(
        "CashTransaction",
        accountId=number,
        currency=account.currency,
        fxRateToBase="1",
        description="CASH RECEIPTS / ELECTRONIC FUND TRANSFERS",
        dateTime=f"{account.begins_on:%Y%m%d}",
        settleDate=f"{account.begins_on:%Y%m%d}",
        amount=f"{account.deposit:.2f}",
        type="Deposits/Withdrawals",
        transactionID=str(10 * number_of(f"deposit {number}")),
        levelOfDetail="DETAIL",
    )


def _common(number: str, row: SimulatedExecution) -> dict[str, str]:
    day = f"{_day(row.executed_at):%Y%m%d}"
    return {"accountId": number, **_contract(row.contract), "reportDate": day, "tradeDate": day}


def _note(row: SimulatedExecution) -> str:
    """Return the code of a settlement; cash and shares carry that of their option."""
    if row.kind in (ExecutionKind.CASH_SETTLEMENT, ExecutionKind.DELIVERY):
        return "A" if row.signed_quantity > 0 else "Ex"
    return _NOTES[row.kind]


def _settled(row: SimulatedExecution) -> str:
    return f"{_day(row.executed_at):%Y%m%d};162000"


def _effect(row: SimulatedExecution) -> str:
    return "C" if row.position_effect == "CLOSE" else "O"


def _side(row: SimulatedExecution) -> str:
    return "BUY" if row.side is Side.BUY else "SELL"


def _day(at: datetime) -> date:
    return at.astimezone(NEW_YORK).date()


def _contract(contract: Contract) -> dict[str, str]:
    day = last_trading_day(contract)
    found = {
        "currency": contract.currency,
        "fxRateToBase": f"{dollars(contract):.10g}",
        "assetCategory": sec_type(contract),
        "symbol": local_symbol(contract),
        "description": contract.description,
        "conid": contract.aliases["ibkr"],
        "listingExchange": contract.exchange,
        "multiplier": f"{contract.multiplier.normalize():f}",
        "underlyingSymbol": ticker(contract) if day else "",
        "expiry": f"{day:%Y%m%d}" if day else "",
        "strike": f"{contract.strike.normalize():f}" if contract.strike is not None else "",
        "putCall": contract.right.value if contract.right else "",
    }
    return {name: value for name, value in found.items() if value}


def _moment(at: datetime) -> str:
    return f"{at.astimezone(NEW_YORK):%Y%m%d;%H%M%S}"


def _tag(name: str, **attributes: str) -> str:
    text = " ".join(f"{key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{name} {text}/>"
