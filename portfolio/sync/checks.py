"""Validate what a broker sent before it is stored.

A row with an invalid identity or quantity is quarantined whole. Any other invalid value (such as an
infinite price) becomes missing and is noted; the row is kept. For every answer, ``received == kept
+ flat + rejected``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from greeks.domain import Fetched, RejectedRow
from greeks.instruments.identity import instrument_key
from greeks.instruments.store import contract_error
from greeks.providers.decoding import BadRow, storable
from portfolio.amounts import checked_amount, checked_time
from portfolio.book.checked import Checked, CheckedPositions
from portfolio.domain import AccountSummary, BrokerOrder, BrokerPosition

# Part of the reason given for every repeated row, also by the adapters.
SENT_TWICE = "sent twice"
_SUMMARY_AMOUNTS = (
    "net_liquidation",
    "buying_power",
    "excess_liquidity",
    "initial_margin",
    "maintenance_margin",
    "cash",
    "unrealized_pnl",
    "realized_pnl",
)
_POSITION_AMOUNTS = (
    "average_price",
    "price",
    "market_value",
    "unrealized_pnl",
    "realized_pnl",
    "previous_close",
)
_ORDER_AMOUNTS = ("quantity", "filled_quantity", "limit_price")
_ORDER_TEXTS = {"order_type": 24, "time_in_force": 16, "source": 24}


def check_summary(summary: AccountSummary) -> tuple[AccountSummary, tuple[RejectedRow, ...]]:
    """Return the summary without its invalid amounts, and a note on each."""
    changes, notes = _amounts(summary, _SUMMARY_AMOUNTS, kind="summary")
    rates = {}
    for currency, rate in (summary.fx_rates or {}).items():
        try:
            value = checked_amount(rate, f"fx_rates.{currency[:8]}")
        except BadRow as error:
            notes.append(_row("summary", error.reason, {"fx_rates": {currency: rate}}))
            continue
        if value is not None and value > 0 and 0 < len(currency) <= 8 and currency.isalnum():
            rates[currency] = value
    changes["fx_rates"] = rates
    changes["as_of"] = checked_time(summary.as_of)
    if not (0 < len(summary.currency) <= 8 and summary.currency.isalnum()):
        notes.append(_row("summary", "currency: impossible", {"currency": summary.currency}))
        changes["currency"] = ""
    return replace(summary, **changes), tuple(notes)


def check_positions(fetched: Fetched[BrokerPosition]) -> CheckedPositions:
    """Return the valid positions, one per contract and sub-key."""
    kept: dict[tuple[str, str], BrokerPosition] = {}
    flat: dict[tuple[str, str], BrokerPosition] = {}
    rejected = list(fetched.rejected)
    notes: list[RejectedRow] = []
    unsettled: set[tuple[str, str]] = set()
    for position in fetched.items:
        try:
            checked, dropped = _checked_position(position)
        except BadRow as error:
            rejected.append(_row("position", error.reason, _position_facts(position)))
            continue
        key = (instrument_key(checked.contract), checked.sub_key)
        earlier = kept.get(key) or flat.get(key)
        if key in unsettled or earlier is not None:
            same = earlier is not None and earlier.quantity == checked.quantity
            reason = SENT_TWICE if same else f"{SENT_TWICE} with different quantities"
            rejected.append(_row("position", reason, _position_facts(position)))
            if earlier is not None and not same:
                # Neither can be trusted: keep the last good row.
                kept.pop(key, None)
                flat.pop(key, None)
                unsettled.add(key)
                rejected.append(_row("position", reason, _position_facts(earlier)))
            continue
        notes += dropped
        (kept if checked.quantity else flat)[key] = checked
    return CheckedPositions(
        kept=tuple(kept.values()),
        keys=tuple(key for key, _ in kept),
        flat=tuple(flat.values()),
        rejected=tuple(rejected),
        notes=tuple(notes),
        unsettled=frozenset(unsettled),
        received=len(fetched.items) + len(fetched.rejected),
        as_of=checked_time(fetched.as_of),
    )


def check_orders(fetched: Fetched[BrokerOrder]) -> Checked[BrokerOrder]:
    """Return the valid orders, one per id."""
    kept: dict[str, BrokerOrder] = {}
    rejected = list(fetched.rejected)
    notes: list[RejectedRow] = []
    for order in fetched.items:
        reason = _order_error(order)
        if reason is None and order.broker_order_id in kept:
            reason = SENT_TWICE
        if reason is not None:
            facts = {"broker_order_id": order.broker_order_id, **(order.raw or {})}
            rejected.append(_row("order", reason, facts))
            continue
        changes, dropped = _amounts(order, _ORDER_AMOUNTS, kind="order")
        notes += dropped
        kept[order.broker_order_id] = replace(order, **changes, as_of=checked_time(order.as_of))
    return Checked(
        kept=tuple(kept.values()),
        rejected=tuple(rejected),
        notes=tuple(notes),
        received=len(fetched.items) + len(fetched.rejected),
        as_of=checked_time(fetched.as_of),
    )


def _checked_position(position: BrokerPosition) -> tuple[BrokerPosition, list[RejectedRow]]:
    error = contract_error(position.contract)
    if error is not None:
        raise BadRow(error)
    quantity = checked_amount(position.quantity, "quantity")
    if quantity is None:
        raise BadRow("quantity: missing")
    if len(position.sub_key) > 64 or not position.sub_key.isprintable():
        raise BadRow("sub_key: impossible")
    changes, notes = _amounts(position, _POSITION_AMOUNTS, kind="position")
    changes |= {
        "quantity": quantity,
        "as_of": checked_time(position.as_of),
        "raw": storable(position.raw or {}),
    }
    return replace(position, **changes), notes


def _order_error(order: BrokerOrder) -> str | None:
    identifier = order.broker_order_id
    if not identifier or len(identifier) > 64 or not identifier.isprintable():
        return "broker_order_id: impossible"
    for name, longest in _ORDER_TEXTS.items():
        text = getattr(order, name)
        if len(text) > longest or not text.isprintable():
            return f"{name}: impossible"
    for leg in order.legs:
        error = contract_error(leg.contract)
        if error is not None:
            return f"leg: {error}"
        if not leg.quantity.is_finite():
            return "leg: quantity is not a number"
    return None


def _amounts(
    item: Any, names: Iterable[str], *, kind: str
) -> tuple[dict[str, Any], list[RejectedRow]]:
    """Return the changed amounts of an item, and a note on each that was dropped."""
    changes: dict[str, Any] = {}
    notes = []
    for name in names:
        value = getattr(item, name)
        if value is None:
            continue
        try:
            fitting = checked_amount(value, name)
        except BadRow as error:
            fitting = None
            notes.append(_row(kind, error.reason, {"field": name, **_identity(item)}))
        if fitting is not value:
            changes[name] = fitting
    return changes, notes


def _identity(item: Any) -> dict[str, Any]:
    contract = getattr(item, "contract", None)
    if contract is not None:
        return {"symbol": contract.symbol}
    return {"id": getattr(item, "broker_order_id", None) or getattr(item, "account_number", "")}


def _position_facts(position: BrokerPosition) -> dict[str, Any]:
    return {
        "symbol": position.contract.symbol,
        "aliases": dict(position.contract.aliases),
        "sub_key": position.sub_key,
        "quantity": str(position.quantity),
        "raw": position.raw or {},
    }


def _row(kind: str, reason: str, payload: dict[str, Any]) -> RejectedRow:
    return RejectedRow(kind=kind, reason=reason[:255], payload=storable(payload))
