"""A journal of many trades, written straight into its tables."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from config.core.upsert import insert_rows
from portfolio.models import Account, AccountDay
from tests.factories import OptionFactory
from trades.executions.fills import Fill
from trades.executions.store import insert_fills
from trades.models import CashMovementRow, Trade, TradeExecution, TradeFill, TradeLeg, TradeLot

DAYS = 1000
UNDERLYINGS = [f"U{number:02d}" for number in range(40)]
_ONE, _HUNDRED = Decimal(1), Decimal(100)
_LOT = (
    "account_id", "instrument_id", "opened_by_id", "opened_at", "currency", "quantity",
    "open_price", "open_costs", "closed_by_id", "closed_at", "closed_kind", "close_price",
    "close_costs", "gross", "net", "awaiting",
)  # fmt: skip
_TRADE = (
    "opening_id", "account_id", "underlying", "strategy", "name", "open_name", "status",
    "opened_at", "closed_at", "quantity", "currency", "premium", "costs", "gross", "net",
    "unknown_closes", "chain",
)  # fmt: skip
_LEG = (
    "trade_id", "instrument_id", "quantity", "open_quantity", "opened_at", "closed_at",
    "closed_kind", "awaiting", "open_price", "close_price", "costs", "gross", "net",
)  # fmt: skip


def write_trades(account: Account, count: int, *, last: datetime) -> None:
    """Write trades of one sold put, each held for three days, evenly over the days before."""
    instruments = [OptionFactory.create(underlying=name, root=name) for name in UNDERLYINGS]
    step = timedelta(days=DAYS) / count
    executions = []
    for number in range(count):
        opened = last - timedelta(days=DAYS) + number * step
        for side, at in (("SELL", opened), ("BUY", opened + timedelta(days=3))):
            name = f"{account.pk}.{number}.{side}"
            executions.append(
                Fill(
                    account_id=account.pk,
                    broker=account.broker,
                    broker_execution_id=name,
                    instrument_id=instruments[number % len(UNDERLYINGS)].pk,
                    symbol=instruments[number % len(UNDERLYINGS)].symbol,
                    kind="trade",
                    side=side,
                    quantity=_ONE,
                    price=Decimal(2 if side == "SELL" else 1),
                    execution_time=at,
                    currency="USD",
                    exec_root=name,
                    fingerprint=name,
                    source="ibkr",
                    recorded_at=last,
                    updated_at=last,
                )
            )
    insert_fills(executions)
    fills = TradeExecution.objects.filter(account=account).order_by("pk")
    rows = list(fills.values_list("pk", "instrument_id", "execution_time"))
    names = {instrument.pk: instrument.underlying for instrument in instruments}
    pairs = list(zip(rows[::2], rows[1::2], strict=True))
    insert_rows(
        TradeLot,
        _LOT,
        [
            (account.pk, instrument, opening, opened, "USD", -_ONE, 2 * _ONE, Decimal(0),
             closing, closed, "trade", _ONE, Decimal(0), _HUNDRED, _HUNDRED, False)
            for (opening, instrument, opened), (closing, _, closed) in pairs
        ],
    )  # fmt: skip
    insert_rows(
        Trade,
        _TRADE,
        [
            (opening, account.pk, names[instrument], "single", "Short put", "", "closed", opened,
             closed, _ONE, "USD", 2 * _HUNDRED, Decimal(0), _HUNDRED, _HUNDRED, 0, opening)
            for (opening, instrument, opened), (_, _, closed) in pairs
        ],
    )  # fmt: skip
    insert_rows(
        TradeLeg,
        _LEG,
        [
            (opening, instrument, -_ONE, Decimal(0), opened, closed, "trade", False, 2 * _ONE,
             _ONE, Decimal(0), _HUNDRED, _HUNDRED)
            for (opening, instrument, opened), (_, _, closed) in pairs
        ],
    )  # fmt: skip
    insert_rows(
        TradeFill,
        ("trade_id", "execution_id", "key", "role", "quantity"),
        [
            (opening, execution, execution, role, -_ONE)
            for (opening, _, _), (closing, _, _) in pairs
            for execution, role in ((opening, "open"), (closing, "close"))
        ],
    )


def write_days(account: Account, *, last: date) -> None:
    """Write a closing balance and a fee of each of the days before."""
    insert_rows(
        AccountDay,
        ("account_id", "session_date", "net_liquidation", "positions",
         "positions_without_greeks", "source", "as_of"),
        [
            (account.pk, day, Decimal(1000 + number), 0, 0, "ibkr",
             datetime.fromisoformat(f"{day}T21:00:00+00:00"))
            for number in range(DAYS)
            for day in (last - timedelta(days=DAYS - number),)
        ],
    )  # fmt: skip
    insert_rows(
        CashMovementRow,
        ("account_id", "broker", "broker_movement_id", "kind", "amount", "currency", "moved_at",
         "symbol", "description", "fingerprint", "source", "raw_payload", "recorded_at"),
        [
            (account.pk, account.broker, f"{account.pk}.{number}", "fee", -_ONE, "USD", at, "", "",
             f"{number}", "ibkr", {}, at)
            for number in range(DAYS)
            for at in (
                datetime.fromisoformat(f"{last - timedelta(days=number + 1)}T12:00:00+00:00"),
            )
        ],
    )  # fmt: skip
