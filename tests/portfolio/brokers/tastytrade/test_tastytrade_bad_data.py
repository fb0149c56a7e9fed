"""Whatever Tastytrade sends: every row is read or rejected, or the whole answer is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.core.errors import MalformedResponse
from greeks.domain import Contract, Fetched, InstrumentKind
from portfolio.brokers.tastytrade.adapter import TastytradeAdapter
from portfolio.brokers.tastytrade.market_data import tastytrade_symbol
from tests.portfolio.brokers.tastytrade.tastytrade_support import (
    ACCOUNT,
    FILL,
    LEG,
    ORDER,
    POSITION,
    SINCE,
    answering,
    answering_text,
    items,
    scripted_adapter,
)

SPY = Contract(
    kind=InstrumentKind.STOCK, symbol="SPY", underlying="SPY", multiplier=Decimal(1), currency="USD"
)
QUOTE = {"symbol": "SPY", "instrument-type": "Equity", "bid": "600.0", "ask": "600.1"}
Fetch = Callable[[TastytradeAdapter], Fetched[Any]]
ROWS: dict[str, tuple[dict[str, Any], Fetch]] = {
    "position": (POSITION, lambda adapter: adapter.fetch_positions(ACCOUNT)),
    "order": (ORDER, lambda adapter: adapter.fetch_open_orders(ACCOUNT)),
    "execution": (FILL, lambda adapter: adapter.fetch_executions(ACCOUNT, since=SINCE)),
    "snapshot": (QUOTE, lambda adapter: adapter.fetch_snapshots([SPY])),
}


@pytest.mark.parametrize("kind", ROWS)
def test_good_row_and_it_is_read(kind: str) -> None:
    row, fetch = ROWS[kind]
    fetched = fetch(answering(items(row)))
    assert (len(fetched.items), fetched.rejected) == (1, ())


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("position", "quantity", "NaN"),
        ("position", "quantity", None),
        ("position", "quantity", "1e400"),
        ("position", "quantity", -3),
        ("position", "quantity", 0),
        ("position", "quantity", 10**15),
        ("position", "quantity", [3]),
        ("position", "quantity", True),
        ("position", "quantity-direction", "Sideways"),
        ("position", "quantity-direction", None),
        ("position", "symbol", "SPY\x00  270115P00600000"),
        ("position", "symbol", "S" * 100),
        ("position", "symbol", "SPY   270199P00600000"),
        ("position", "symbol", 5),
        ("position", "instrument-type", "Bond"),
        ("position", "multiplier", 0),
        ("position", "multiplier", "-100"),
        ("position", "average-open-price", "1.797e308x"),
        ("position", "account-number", "5WX99999"),
        ("order", "id", None),
        ("order", "id", "9" * 100),
        ("order", "status", "Thinking"),
        ("order", "legs", []),
        ("order", "legs", None),
        ("order", "legs", ["leg"]),
        ("order", "legs", [LEG | {"action": "Hold"}]),
        ("order", "legs", [LEG | {"quantity": 0}]),
        ("order", "legs", [LEG | {"symbol": "./ESZ6 EW4"}]),
        ("order", "price-effect", "Gift"),
        ("order", "updated-at", 10**18),
        ("order", "received-at", "yesterday"),
        ("execution", "id", ""),
        ("execution", "id", "x" * 65),
        ("execution", "quantity", "0.0"),
        ("execution", "quantity", "inf"),
        ("execution", "action", "Receive"),
        ("execution", "price", {}),
        ("execution", "commission", "a lot"),
        ("execution", "executed-at", 5),
        ("snapshot", "symbol", "QQQ"),
        ("snapshot", "symbol", None),
        ("snapshot", "bid", "1e13"),
        ("snapshot", "ask", False),
        ("snapshot", "open-interest", "1.5"),
        ("snapshot", "updated-at", "2026-13-40"),
    ],
)
def test_one_bad_value_and_only_its_row_is_rejected_with_the_field_named(
    kind: str, field: str, value: Any
) -> None:
    row, fetch = ROWS[kind]
    fetched = fetch(answering(items(row | {field: value}, row)))
    assert len(fetched.items) == 1
    [rejected] = fetched.rejected
    assert rejected.kind == kind
    named = {"legs": ("legs", "action", "quantity", "symbol")}.get(field, (field,))
    assert rejected.reason.startswith(named)
    json.dumps(rejected.payload, allow_nan=False)
    assert "\x00" not in str(rejected.payload.get("symbol"))


@pytest.mark.parametrize("missing", [None, "NaN", "", float("inf")])
def test_missing_price_and_it_is_none_not_zero(missing: object) -> None:
    row = POSITION | {"mark-price": missing, "close-price": missing, "average-open-price": missing}
    body = json.dumps(items(row))
    adapter = answering_text(body)
    [position] = adapter.fetch_positions(ACCOUNT).items
    assert position.price is None
    assert position.market_value is None
    assert position.unrealized_pnl is None
    assert position.previous_close is None
    assert position.average_price is None


@pytest.mark.parametrize(
    "text",
    [
        '{"data":{"items":[{"symbol":"SP',
        "<html><body>maintenance</body></html>",
        "",
        "null",
        "[]",
        '"items"',
        '{"data":null}',
        '{"data":{"items":null}}',
        '{"data":{"items":{"0":{}}}}',
        '{"error":{"code":"x","message":"y"}}',
    ],
)
@pytest.mark.parametrize("kind", ROWS)
def test_answer_that_is_no_answer_and_it_is_refused_as_malformed(kind: str, text: str) -> None:
    adapter = answering_text(text)
    with pytest.raises(MalformedResponse):
        ROWS[kind][1](adapter)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


@pytest.mark.parametrize("kind", ROWS)
@given(data=st.data())
def test_any_value_in_any_field_and_every_row_is_accounted_for(
    kind: str, data: st.DataObject
) -> None:
    row, fetch = ROWS[kind]
    changed = row | {data.draw(st.sampled_from(sorted(row))): data.draw(ANYTHING)}
    sent = [changed, data.draw(ANYTHING), row]
    body = json.dumps(items(*sent))
    adapter = answering_text(body)
    fetched = fetch(adapter)
    left_out = changed.get("quantity-direction") == "Zero"
    assert len(fetched.items) + len(fetched.rejected) == len(sent) - left_out
    for rejected in fetched.rejected:
        json.dumps(rejected.payload, allow_nan=False)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("net-liquidating-value", "NaN"),
        ("net-liquidating-value", None),
        ("cash-balance", ["1"]),
        ("maintenance-excess", "1e20"),
        ("updated-at", "noon"),
        ("account-number", "5WX99999"),
    ],
)
def test_balances_with_a_bad_value_and_the_summary_is_refused(field: str, value: Any) -> None:
    good = {"account-number": ACCOUNT, "net-liquidating-value": "10000.0"}
    assert answering({"data": good}).fetch_account_summary(ACCOUNT).net_liquidation == 10_000
    with pytest.raises(MalformedResponse, match=field):
        answering({"data": good | {field: value}}).fetch_account_summary(ACCOUNT)


def test_debit_cash_and_it_is_negative() -> None:
    row = {
        "account-number": ACCOUNT,
        "net-liquidating-value": "100.0",
        "cash-balance": "2500.0",
        "cash-balance-effect": "Debit",
    }
    assert answering({"data": row}).fetch_account_summary(ACCOUNT).cash == -2500


def test_marked_position_and_value_and_profit_follow_the_sign() -> None:
    short = POSITION | {"quantity-direction": "Short"}
    [position] = answering(items(short)).fetch_positions(ACCOUNT).items
    assert position.quantity == -3
    assert position.market_value == Decimal(-1425)
    assert position.unrealized_pnl == Decimal(150)


def test_position_closed_today_and_it_is_no_holding() -> None:
    closed = POSITION | {"quantity": 0, "quantity-direction": "Zero"}
    fetched = answering(items(closed, POSITION)).fetch_positions(ACCOUNT)
    assert (len(fetched.items), fetched.rejected) == (1, ())


def test_closed_account_and_it_is_left_out() -> None:
    open_one = {"account": {"account-number": ACCOUNT, "nickname": "", "is-closed": False}}
    closed = {"account": {"account-number": "5WX00002", "is-closed": True}}
    [account] = answering(items(open_one, closed)).fetch_accounts().items
    assert (account.account_number, account.label) == (ACCOUNT, ACCOUNT)


def test_250_contracts_and_three_calls_of_at_most_100_symbols() -> None:
    asked: list[list[str]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        symbols = [s for values in request.url.params.values() for s in values.split(",")]
        asked.append(symbols)
        rows = [{"symbol": symbol, "bid": "1.0", "ask": "1.1"} for symbol in symbols]
        return httpx.Response(200, json=items(*rows))

    contracts = [
        Contract(
            kind=InstrumentKind.INDEX if number % 2 else InstrumentKind.STOCK,
            symbol=f"T{number}",
            underlying=f"T{number}",
            multiplier=Decimal(1),
            currency="USD",
        )
        for number in range(250)
    ]
    fetched = scripted_adapter(handler).fetch_snapshots([*contracts, *contracts])
    assert {snapshot.contract.symbol for snapshot in fetched.items} == {f"T{n}" for n in range(250)}
    assert len(fetched.items) == 250
    assert [len(symbols) for symbols in asked] == [100, 100, 50]


def test_greeks_that_are_not_numbers_and_the_quote_stays() -> None:
    option = Contract(
        kind=InstrumentKind.OPTION,
        symbol="SPY   270115P00600000",
        underlying="SPY",
        multiplier=Decimal(100),
        currency="USD",
        aliases={"tastytrade": "SPY   270115P00600000"},
    )
    row = QUOTE | {"symbol": option.symbol, "delta": "NaN", "gamma": None, "volatility": "0.0"}
    [snapshot] = answering(items(row)).fetch_snapshots([option]).items
    assert snapshot.greeks is None
    assert snapshot.quote is not None
    assert snapshot.quote.bid == 600
    sentinels = row | {"delta": "-999", "gamma": "0.1", "volatility": "0.2", "bid": "-1"}
    [snapshot] = answering(items(sentinels)).fetch_snapshots([option]).items
    assert snapshot.greeks is not None
    assert (snapshot.greeks.delta, snapshot.greeks.gamma) == (None, None)
    assert snapshot.greeks.implied_volatility == 0.2
    assert snapshot.quote is not None
    assert snapshot.quote.bid is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"symbol": "BRK B", "underlying": "BRK B"}, "BRK/B"),
        ({"currency": "INR"}, None),
        ({"kind": InstrumentKind.FUTURE}, None),
        ({"kind": InstrumentKind.OPTION}, None),
        ({"aliases": {"tastytrade": "/ESZ6"}}, "/ESZ6"),
    ],
)
def test_contract_of_another_broker_and_symbol_is_spelled_out(
    changes: dict[str, Any], expected: str | None
) -> None:
    plain: dict[str, Any] = {
        "kind": InstrumentKind.STOCK,
        "symbol": "SPY",
        "underlying": "SPY",
        "multiplier": Decimal(1),
        "currency": "USD",
    }
    assert tastytrade_symbol(Contract(**plain | changes)) == expected


def test_option_of_a_share_class_and_symbol_is_tastytrades() -> None:
    [position] = (
        answering(
            items(POSITION | {"symbol": "BRK/B 270115P00600000", "underlying-symbol": "BRK/B"})
        )
        .fetch_positions(ACCOUNT)
        .items
    )
    contract = position.contract
    assert (contract.symbol, contract.root) == ("BRKB  270115P00600000", "BRKB")
    assert tastytrade_symbol(contract) == "BRK/B 270115P00600000"
    elsewhere = Contract(
        kind=InstrumentKind.OPTION,
        symbol=contract.symbol,
        underlying="BRK B",
        root="BRKB",
        expiry=contract.expiry,
        strike=contract.strike,
        right=contract.right,
        multiplier=Decimal(100),
        currency="USD",
    )
    assert tastytrade_symbol(elsewhere) == "BRK/B 270115P00600000"
