"""Tastytrade's history: fills, settlements, splits, cancels and the deposit."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from portfolio.domain import ExecutionKind, Side
from portfolio.sandbox.books import SimulatedAccount
from portfolio.sandbox.fills import SimulatedExecution
from portfolio.sandbox.revisions import CANCELLED_AFTER, is_printed_twice, number_of
from portfolio.sandbox.tastytrade.books import action_of, effect_of, instrument_of
from portfolio.sandbox.tastytrade.instruments import NEW_YORK, Payload, amount, timestamp

#: Settlements are in the history some hours after they happened.
SETTLED_AFTER: Final = timedelta(hours=3)


def history(account: SimulatedAccount, since: datetime, at: datetime) -> list[Payload]:
    """Return the rows since an instant that are told by ``at``, oldest first."""
    rows = [_deposit(account)] if since <= _first_moment(account) else []
    for fill in account.executions(since):
        rows += _rows_of(account, fill, at)
    return sorted(rows, key=lambda row: (row["executed-at"], row["id"]))


def _rows_of(account: SimulatedAccount, fill: SimulatedExecution, at: datetime) -> list[Payload]:
    if fill.kind is ExecutionKind.TRADE:
        rows = [transaction(account, fill)]
        if is_printed_twice(fill):
            again = fill._replace(execution_id=str(int(fill.execution_id) + 1))
            rows.append(transaction(account, again))
            if at >= fill.executed_at + CANCELLED_AFTER:
                rows.append(_reversal(account, again))
        return rows
    if at < fill.executed_at + SETTLED_AFTER:
        return []
    if fill.kind is ExecutionKind.SPLIT:
        old = fill._replace(side=Side.SELL, position_effect="CLOSE")
        new = fill._replace(quantity=2 * fill.quantity, execution_id=_next(fill))
        return [_received(account, row, "Forward Split", action=_action(row)) for row in (old, new)]
    if fill.kind is ExecutionKind.DELIVERY:
        return [_received(account, fill, _action(fill), action=_action(fill), price=fill.price)]
    if fill.kind is ExecutionKind.CASH_SETTLEMENT:
        # Two rows: the cash beside the strike, then a plain removal of value 0.
        plain = "Assignment" if fill.side is Side.BUY else "Exercise"
        twin = fill._replace(execution_id=_next(fill), price=0.0, fees=0.0)
        strike = float(fill.contract.strike or 0)
        return [
            _received(account, fill, f"Cash Settled {plain}", price=strike),
            _received(account, twin, plain),
        ]
    return [_received(account, fill, fill.kind.value.title())]


def transaction(account: SimulatedAccount, fill: SimulatedExecution) -> Payload:
    """Return a row of /accounts/{number}/transactions, of type Trade."""
    contract, action = fill.contract, _action(fill)
    regulatory = round(fill.fees / 10, 3)
    verb = "Bought" if fill.side is Side.BUY else "Sold"
    return {
        **_row(account, fill, "Trade", action),
        "description": f"{verb} {fill.quantity} {contract.symbol} @ {fill.price:.2f}",
        "action": action,
        "price": amount(fill.price),
        "ext-exchange-order-number": str(60_000_000_000_000 + fill.order_id),
        "ext-global-order-number": fill.order_id % 100_000,
        "ext-group-id": "0",
        "ext-group-fill-id": str(600_000_000 + fill.order_id),
        "ext-exec-id": fill.execution_id[-7:],
        "exec-id": f"4_{fill.execution_id}",
        "exchange": "D",
        "order-id": fill.order_id,
        "exchange-affiliation-identifier": "",
        "leg-count": 1,
        "destination-venue": "SIMULATED_A",
        **_amounts(
            {
                "value": _value(fill),
                "regulatory-fees": -regulatory,
                "clearing-fees": -(fill.fees - regulatory),
                "net-value": fill.cash_flow,
                "commission": -fill.commission,
                "proprietary-index-option-fees": 0.0,
            }
        ),
    }


def _received(
    account: SimulatedAccount,
    fill: SimulatedExecution,
    sub_type: str,
    *,
    action: str = "",
    price: float | None = None,
) -> Payload:
    """Return a row that no order made. Removals name no action."""
    row = _row(account, fill, "Receive Deliver", sub_type)
    row["description"] = f"{sub_type} of {fill.quantity} {fill.contract.symbol}"
    row |= {"action": action} if action else {}
    row |= {} if price is None else {"price": amount(price)}
    fees = {"value": _value(fill), "clearing-fees": -fill.fees, "net-value": fill.cash_flow}
    return row | _amounts(fees)


def _reversal(account: SimulatedAccount, fill: SimulatedExecution) -> Payload:
    """Return the row that undoes another."""
    row = transaction(account, fill)
    undone = {"value": -_value(fill), "net-value": -fill.cash_flow, "commission": fill.commission}
    return {
        **row,
        "id": int(_next(fill)),
        "reverses-id": row["id"],
        "description": f"Reversal of {row['description']}",
        "executed-at": timestamp(fill.executed_at + CANCELLED_AFTER),
        **_amounts(undone),
    }


def _deposit(account: SimulatedAccount) -> Payload:
    at = _first_moment(account)
    return {
        "id": number_of(f"deposit {account.account_number}"),
        "account-number": account.account_number,
        "transaction-type": "Money Movement",
        "transaction-sub-type": "Deposit",
        "description": "Wire Funds Received",
        "executed-at": timestamp(at),
        "transaction-date": at.astimezone(NEW_YORK).date().isoformat(),
        "is-estimated-fee": False,
        **_amounts({"value": account.deposit, "net-value": account.deposit}),
    }


def _row(
    account: SimulatedAccount, fill: SimulatedExecution, kind: str, sub_type: str
) -> dict[str, Any]:
    return {
        "id": int(fill.execution_id),
        "account-number": account.account_number,
        **instrument_of(fill.contract),
        "transaction-type": kind,
        "transaction-sub-type": sub_type,
        "quantity": amount(fill.quantity),
        "executed-at": timestamp(fill.executed_at),
        "transaction-date": fill.executed_at.astimezone(NEW_YORK).date().isoformat(),
        "is-estimated-fee": kind == "Trade",
    }


def _amounts(signed: dict[str, float]) -> dict[str, str]:
    """Return amounts as the vendor writes them: without a sign, beside their effect."""
    found: dict[str, str] = {}
    for name, value in signed.items():
        found |= {name: amount(abs(round(value, 3))), f"{name}-effect": effect_of(value)}
    return found


def _value(fill: SimulatedExecution) -> float:
    return fill.cash_flow + fill.commission + fill.fees


def _action(fill: SimulatedExecution) -> str:
    return action_of(fill.contract, fill.side, closing=fill.position_effect == "CLOSE")


def _next(fill: SimulatedExecution) -> str:
    return str(int(fill.execution_id) + 1)


def _first_moment(account: SimulatedAccount) -> datetime:
    return datetime.combine(account.begins_on, time(14), tzinfo=UTC)
