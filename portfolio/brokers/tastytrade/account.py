"""Decode accounts, balances and positions. Amounts are signed by their ``-effect``."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from config.core.clock import market_now
from config.core.errors import MalformedResponse
from greeks.providers.decoding import (
    BadRow,
    Row,
    parse_date,
    parse_decimal,
    parse_identifier,
    parse_text,
    parse_time,
    storable,
)
from portfolio.brokers.tastytrade.contracts import (
    CURRENCY,
    SOURCE,
    check_account,
    decode_contract,
    parse_signed,
    unit_of,
)
from portfolio.brokers.tastytrade.deliverables import NO_DELIVERABLES, Deliverables
from portfolio.brokers.tastytrade.future_symbols import Futures, new_york_date
from portfolio.brokers.units import in_currency
from portfolio.domain import AccountSummary, Broker, BrokerAccount, BrokerPosition

#: Quantity direction → sign. The quantity itself is unsigned.
DIRECTIONS = {"Long": 1, "Short": -1, "Zero": 0}


def decode_account(row: Row) -> BrokerAccount:
    """Decode a row of /customers/me/accounts: the account inside its authority level."""
    account = row.get("account")
    if not isinstance(account, dict):
        raise BadRow("account: missing")
    number = parse_identifier(account.get("account-number"), "account-number", maximum=48)
    nickname = parse_text(account.get("nickname"), "nickname")
    type_name = parse_text(account.get("account-type-name"), "account-type-name")
    return BrokerAccount(
        broker=Broker.TASTY,
        account_number=number,
        label=(nickname or type_name or number)[:64],
        base_currency=CURRENCY,
    )


def is_closed(row: object) -> bool:
    """Return whether the account is closed: it stays in the list for ever."""
    account = row.get("account") if isinstance(row, dict) else None
    return isinstance(account, dict) and account.get("is-closed") is True


def decode_balances(answer: object, *, account_number: str, fetched_at: datetime) -> AccountSummary:
    """Decode one account's balances. Raises MalformedResponse if incomplete.

    Buying power is that of derivatives, else of equities. Initial margin is the Regulation T
    requirement. Tastytrade's balances hold no profit and loss: it follows from the positions.
    """
    row = answer.get("data", answer) if isinstance(answer, dict) else None
    if not isinstance(row, dict):
        raise MalformedResponse("balances: the answer is not an object", provider=SOURCE)
    try:
        check_account(row, account_number)
        buying_power = parse_signed(row, "derivative-buying-power")
        if buying_power is None:
            buying_power = parse_signed(row, "equity-buying-power")
        return AccountSummary(
            broker=Broker.TASTY,
            account_number=account_number,
            currency=parse_text(row.get("currency"), "currency", maximum=8) or CURRENCY,
            source=SOURCE,
            as_of=parse_time(row.get("updated-at"), "updated-at") or fetched_at,
            net_liquidation=parse_signed(row, "net-liquidating-value", required=True),
            buying_power=buying_power,
            excess_liquidity=parse_signed(row, "maintenance-excess"),
            initial_margin=parse_signed(row, "reg-t-margin-requirement"),
            maintenance_margin=parse_signed(row, "maintenance-requirement"),
            cash=parse_signed(row, "cash-balance"),
            raw=storable(row),
        )
    except BadRow as error:
        raise MalformedResponse(f"balances: {error.reason}", provider=SOURCE) from None


def is_closed_position(row: object) -> bool:
    """Return whether the position was closed today: it is then listed, but not held."""
    return isinstance(row, dict) and row.get("quantity-direction") == "Zero"


def lacks_expiry(row: object) -> bool:
    """Return whether the position is a future whose row does not say when it expires."""
    return (
        isinstance(row, dict)
        and row.get("instrument-type") == "Future"
        and not row.get("expires-at")
    )


def is_future_option(row: object) -> bool:
    return isinstance(row, dict) and row.get("instrument-type") == "Future Option"


def decode_position(
    row: Row,
    *,
    account_number: str,
    fetched_at: datetime,
    futures: Futures,
    deliverables: Deliverables = NO_DELIVERABLES,
) -> BrokerPosition:
    """Decode one holding: sign from ``quantity-direction``, price from ``mark-price``.

    ``close-price`` is the previous session's close. ``mark-price`` is present only if the request
    asked for marks. ``realized-today`` counts only on the day it names.
    """
    check_account(row, account_number)
    contract = decode_contract(row, futures, deliverables)
    size = parse_decimal(row.get("quantity"), "quantity", required=True)
    direction = parse_text(row.get("quantity-direction"), "quantity-direction", required=True)
    if direction not in DIRECTIONS:
        raise BadRow(f"quantity-direction: {direction[:40]!r} is neither Long nor Short")
    if size < 0:
        raise BadRow(f"quantity: {size} is negative beside direction {direction}")
    quantity = size * DIRECTIONS[direction]
    if not quantity:
        raise BadRow(f"quantity: {size} with direction {direction} is not a holding")
    average, price, close = (
        in_currency(parse_decimal(row.get(name), name), unit_of(contract))
        for name in ("average-open-price", "mark-price", "close-price")
    )
    market_value = None if price is None else price * quantity * contract.multiplier
    unrealized = None
    if price is not None and average is not None:
        unrealized = (price - average) * quantity * contract.multiplier
    return BrokerPosition(
        contract=contract,
        quantity=quantity,
        source=SOURCE,
        as_of=fetched_at,
        average_price=average,
        price=price,
        market_value=market_value,
        unrealized_pnl=unrealized,
        realized_pnl=_realized_today(row),
        previous_close=close,
        raw=storable(row),
    )


def _realized_today(row: Row) -> Decimal | None:
    day = parse_date(row.get("realized-today-date"), "realized-today-date")
    realized = parse_signed(row, "realized-today")
    if day is not None and day != new_york_date(market_now()):
        return None
    return realized
