"""Futures and options on futures held at Tastytrade: identity, size and instant of expiry."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from greeks.domain import InstrumentKind
from greeks.instruments.identity import instrument_key
from greeks.instruments.store import contracts_of, resolve_instruments
from greeks.models import Instrument
from greeks.underlyings import underlying_key
from portfolio.brokers.tastytrade.contracts import decode_contract
from portfolio.brokers.tastytrade.future_symbols import FutureTerms, futures_of
from portfolio.domain import BrokerPosition
from tests.identity_cases import identity_cases
from tests.portfolio.brokers.tastytrade.tastytrade_support import answering

ACCOUNT = "5WT00000"
FUTURE = {
    "account-number": ACCOUNT,
    "instrument-type": "Future",
    "symbol": "/NQZ6",
    "underlying-symbol": "/NQ",
    "multiplier": 20,
    "quantity": 2,
    "quantity-direction": "Short",
    "average-open-price": "21000.0",
    "mark-price": "21010.25",
    "expires-at": "2026-12-18T14:30:00.000+00:00",
}
TERMS = {
    "symbol": "/NQZ6",
    "notional-multiplier": "20.0",
    "expiration-date": "2026-12-18",
    "expires-at": "2026-12-18T14:30:00.000+00:00",
}


def items(*rows: Any) -> Any:
    return {"data": {"items": list(rows)}}


def held(row: Any, **others: Any) -> BrokerPosition:
    fetched = answering(items(row), **others).fetch_positions(ACCOUNT)
    assert not fetched.rejected
    [position] = fetched.items
    return position


def test_future_and_it_is_held_with_month_and_multiplier() -> None:
    position = held(FUTURE)
    contract = position.contract
    assert (contract.kind, contract.multiplier) == (InstrumentKind.FUTURE, Decimal(20))
    assert contract.expiry == date(2026, 12, 18)
    assert contract.expires_at == datetime(2026, 12, 18, 14, 30, tzinfo=UTC)
    assert position.quantity == -2
    assert position.unrealized_pnl == Decimal("-410")


def test_future_without_its_expiry_and_the_instrument_tells_it() -> None:
    row = {name: value for name, value in FUTURE.items() if name != "expires-at"}
    contract = held(row, futures=items(TERMS)).contract
    assert contract.expiry == date(2026, 12, 18)
    assert contract.expires_at == datetime(2026, 12, 18, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "instant",
    [
        "0001-01-01T00:00:00.000+00:00",
        "9999-12-31T23:59:59.000+00:00",
        "1999-12-17T14:30:00.000+00:00",
        "2150-12-18T14:30:00.000+00:00",
    ],
)
def test_sentinel_instant_costs_only_its_own_row(instant: str) -> None:
    rows = items({**FUTURE, "expires-at": instant}, FUTURE)
    fetched = answering(rows).fetch_positions(ACCOUNT)
    assert [position.contract.expiry for position in fetched.items] == [date(2026, 12, 18)]
    assert [row.reason.split(":")[0] for row in fetched.rejected] == ["expires-at"]


def test_instrument_with_a_sentinel_and_its_day_counts() -> None:
    row = {name: value for name, value in FUTURE.items() if name != "expires-at"}
    terms = {**TERMS, "expires-at": "0001-01-01T00:00:00.000+00:00"}
    contract = held(row, futures=items(terms)).contract
    assert (contract.expiry, contract.expires_at) == (date(2026, 12, 18), None)


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00Z", "2026-11-20T21:00:00Z"])
def test_instant_days_away_from_the_day_in_the_symbol_is_ignored(instant: str) -> None:
    row = {
        "instrument-type": "Future Option",
        "symbol": "./ESZ6 EW4X6 261127P6000",
        "multiplier": 50,
        "quantity": 1,
        "quantity-direction": "Long",
    }
    assert held({**row, "expires-at": instant}).contract.expires_at is None
    near = held({**row, "expires-at": "2026-11-27T18:00:00Z"}).contract
    assert near.expires_at == datetime(2026, 11, 27, 18, tzinfo=UTC)
    assert near.expiry == date(2026, 11, 27)


@pytest.mark.django_db
def test_vendor_instant_of_expiry_and_another_broker_does_not_move_it() -> None:
    told = held(FUTURE).contract
    untold = replace(told, expires_at=None, aliases={"ibkr": "1"})
    instant = datetime(2026, 12, 18, 14, 30, tzinfo=UTC)
    for contract in (untold, told, untold):
        resolve_instruments([contract])
    row = Instrument.objects.get()
    assert (row.expires_at, row.expires_at_is_vendors) == (instant, True)
    assert contracts_of([row])[row.pk].expires_at == instant


@pytest.mark.parametrize("index", [2, 3])
def test_recorded_future_and_it_is_stored(index: int) -> None:
    case = identity_cases("tastytrade_positions")[index]
    row, expected = case["row"], case["expect"]
    position = held(row)
    contract = position.contract
    assert contract.multiplier == Decimal(expected["multiplier"])
    moment = datetime.fromisoformat(expected.get("expires_at", row["expires-at"]))
    assert contract.expires_at == moment
    if "quantity" in expected:
        assert position.quantity == Decimal(expected["quantity"])


@pytest.mark.parametrize(
    ("symbol", "named", "underlying", "root"),
    [
        ("./ESZ6 EW4X6 261127P6000.5", "", "/ESZ6", "EW4X6"),
        ("./M2KH7RM1H7 270305P2100", "", "/M2KH7", "RM1H7"),
        ("./M2KH7RM1H7 270305P2100", "/M2KH7", "/M2KH7", "RM1H7"),
        ("./M2KH27RM1H7 270305P2100", "/M2KH27", "/M2KH27", "RM1H7"),
        ("./ABCDH7XH7  270305P2100", "/ABCDH7", "/ABCDH7", "XH7"),
        # A row whose underlying is the product, not the month.
        ("./MBTH7B1AH7 270305P60000", "/MBT", "/MBTH7", "B1AH7"),
    ],
)
def test_code_that_fills_the_width_and_the_option_is_held(
    symbol: str, named: str, underlying: str, root: str
) -> None:
    row = {
        "instrument-type": "Future Option",
        "symbol": symbol,
        "underlying-symbol": named,
        "multiplier": 5,
        "quantity": 3,
        "quantity-direction": "Short",
        "expires-at": "2027-03-05T21:00:00.000+00:00",
    }
    position = held(row)
    contract = position.contract
    assert (contract.underlying, contract.root) == (underlying, root)
    assert contract.aliases == {"tastytrade": symbol}
    assert contract.multiplier == 5
    assert position.quantity == -3
    assert futures_of([{"legs": [row]}]) == (underlying,)


@pytest.mark.parametrize("index", [0, 1])
def test_recorded_option_on_a_future_and_it_is_held(index: int) -> None:
    case = identity_cases("tastytrade_positions")[index]
    expected = case["expect"]
    position = held(case["row"])
    contract = position.contract
    assert contract.kind is InstrumentKind.FUTURE_OPTION
    assert (contract.underlying, contract.root) == (expected["underlying"], expected["root"])
    assert contract.expiry == date.fromisoformat(expected["expiry"])
    assert contract.strike == Decimal(expected["strike"])
    if "quantity" in expected:
        assert position.quantity == Decimal(expected["quantity"])


def test_option_with_a_strike_below_zero_is_held() -> None:
    row = {
        "instrument-type": "Future Option", "symbol": "./CLM0 LOM0 200514P-5",
        "underlying-symbol": "/CLM0", "multiplier": 1000,
    }  # fmt: skip
    assert instrument_key(decode_contract(row)) == "future_option:LO:20200514:-5:P:1000:USD"


def test_option_names_the_future_it_delivers() -> None:
    terms = {"/ESZ6": FutureTerms(multiplier=Decimal(50), expiry=date(2026, 12, 18))}
    row = {
        "instrument-type": "Future Option", "symbol": "./ESZ6 EW1Z6 261204P5500",
        "underlying-symbol": "/ESZ6", "multiplier": 50,
    }  # fmt: skip
    option = decode_contract(row, terms)
    future = decode_contract({"instrument-type": "Future", "symbol": "/ESZ6"}, terms)
    assert underlying_key(option) == underlying_key(future) == "future:ES:20261218:50:USD"
    assert underlying_key(decode_contract(row)) == "future:ESZ6:USD"
