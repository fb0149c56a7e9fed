"""Orders on the wire: the protocol's longest messages, here with mostly empty fields.

Field positions are those of server version 178; a number in a comment counts the fields of a run.
"""

from __future__ import annotations

from datetime import datetime

from portfolio.sandbox.ibkr_portal.payloads import COMBINATION, STATUSES, conid, order_price
from portfolio.sandbox.ibkr_socket.frames import UNSET, Fields
from portfolio.sandbox.ibkr_socket.messages import SMART, contract_columns
from portfolio.sandbox.ibkr_terms import ticker
from portfolio.sandbox.records import SimulatedOrder

_EMPTY: tuple[str, ...] = ("",)
_NO_LEG_PRICES_NOR_ROUTING = (0, 0)
_NO_SCALE_AND_HEDGE = ("", "", "", "")
_NO_DELTA_NEUTRAL_CONTRACT_AND_ALGORITHM = (0, "")


def order_status(order: SimulatedOrder) -> Fields:
    remaining = order.quantity - order.filled_quantity
    price = order_price(order) if order.filled_quantity else 0.0
    status = STATUSES[order.status]
    return (
        *(3, 0, status, order.filled_quantity, remaining, price),
        *(order.order_id, 0, price, 0, "", 0.0),
    )


def open_order(account: str, order: SimulatedOrder) -> Fields:
    """Return a working order placed by hand in TWS: it has only a permanent id."""
    return (
        *(5, 0),
        *_contract(order),
        *_terms(order),
        # OCA group, account, open or close, origin, reference, client id, permanent id
        *("", account, "", 0, "", 0, order.order_id),
        # outside regular hours, hidden, discretionary amount, good after time, shares allocation
        *(0, 0, 0.0, "", ""),
        # group, method and percentage of an adviser; model code, good till date, rule 80A
        *(_EMPTY * 3),
        *("", "", "", "", ""),  # 5: … percent offset, settling firm
        *(0, "", -1),  # short-sale slot, location, exempt code
        # auction strategy, starting price, reference price, delta, range, display size
        *(0, "", "", "", "", "", ""),
        # block, sweep, all or none, least quantity, OCA type, electronic, firm, price cap
        *(0, 0, 0, "", 3, 0, 0, ""),
        *(0, 0, "", "", "", ""),  # parent, trigger, volatility and its type, delta-neutral order
        *(0, "", UNSET, "", "", ""),  # continuous update … basis points and their type
        *("", *_legs(order)),
        *_NO_LEG_PRICES_NOR_ROUTING,
        *_NO_SCALE_AND_HEDGE,
        *(0, "", "IB", 0),  # opted out of smart routing, clearing account, intent, not held
        *_NO_DELTA_NEUTRAL_CONTRACT_AND_ALGORITHM,
        *(0, 0, STATUSES[order.status]),  # solicited, what-if
        *((UNSET,) * 9),  # margin before, change and after
        *("", "", "", "", ""),  # commission, its least and most, its currency; a warning
        *(0, 0, 0),  # randomised size and price; no conditions
        *("None", UNSET, UNSET, UNSET, UNSET, UNSET, UNSET, 0),  # adjustments
        *("", "", "", ""),  # soft-dollar tier, cash quantity
        *(0, 0, 0, 0),
        *("", "", 0),  # duration, post to ATS, cancel with parent
        *(("",) * 5),  # least trade and compete sizes, offsets
    )


def completed_order(account: str, order: SimulatedOrder, done_at: datetime) -> Fields:
    """Return a completed order of the day."""
    return (
        101,
        *_contract(order),
        *_terms(order),
        # OCA group, account, open or close, origin, reference, permanent id
        *("", account, "", 0, "", order.order_id),
        *(0, 0, 0.0, ""),  # outside regular hours, hidden, discretionary amount, good after time
        *(_EMPTY * 3),
        *("", "", "", "", ""),  # model code, good till date, rule 80A, percent offset, firm
        *(0, "", -1),
        *(("",) * 6),  # starting price, reference price, delta, range, display size
        *(0, 0, "", 3, 0),  # sweep, all or none, least quantity, OCA type, trigger
        *("", "", "", ""),  # volatility and its type, delta-neutral order and price
        *(0, "", UNSET, ""),
        *("", *_legs(order)),
        *_NO_LEG_PRICES_NOR_ROUTING,
        *_NO_SCALE_AND_HEDGE,
        *("", "IB", 0),
        *_NO_DELTA_NEUTRAL_CONTRACT_AND_ALGORITHM,
        *(0, STATUSES[order.status], 0, 0),  # solicited, status, randomised size and price
        0,  # no conditions
        *(UNSET, UNSET, ""),  # stop price, limit offset, cash quantity
        *(0, 0, "", order.filled_quantity, 0),  # … cancel date, filled, futures contract
        *(0, "Not an insider or substantial shareholder", 0, 0, 0),
        *(f"{done_at:%Y%m%d %H:%M:%S} US/Eastern", f"Filled Size: {order.filled_quantity}"),
        *(("",) * 5),
    )


def _contract(order: SimulatedOrder) -> Fields:
    """Return the order's contract, or its combination."""
    contract = order.legs[0][0]
    if len(order.legs) == 1:
        return contract_columns(contract, SMART)
    symbol = ticker(contract)
    return (
        *(COMBINATION, symbol, "BAG", "", 0.0, "", "", SMART),
        *(contract.currency, symbol, "COMB"),
    )


def _terms(order: SimulatedOrder) -> Fields:
    """Return action, quantity, type, limit, auxiliary price and time in force.

    A combination is bought, with signed ratios and a negative limit for a credit.
    """
    single = len(order.legs) == 1
    bought = not single or order.legs[0][1] > 0
    action = "BUY" if bought else "SELL"
    return (action, order.quantity, order.order_type, order_price(order), 0.0, order.time_in_force)


def _legs(order: SimulatedOrder) -> Fields:
    """Return the number of legs and eight fields of each."""
    if len(order.legs) == 1:
        return (0,)
    fields: list[str | int] = [len(order.legs)]
    for contract, quantity in order.legs:
        ratio = abs(quantity) // order.quantity
        action = "BUY" if quantity > 0 else "SELL"
        fields += [conid(contract), ratio, action, SMART, 0, 0, "", -1]
    return tuple(fields)
