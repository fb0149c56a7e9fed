"""Event contracts sent as options: a kind of their own, with a value and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from config.core.clock import market_now
from greeks.domain import Contract, InstrumentKind, Right
from greeks.instruments.identity import instrument_key
from greeks.instruments.store import contract_error, resolve_instruments
from greeks.providers.decoding import BadRow
from portfolio.book.reading import read_book
from portfolio.brokers.ibkr_portal.contracts import decode_contract, needs_definition
from portfolio.brokers.ibkr_socket.rows import decode_position
from portfolio.brokers.tastytrade.contracts import decode_contract as decode_tastytrade
from portfolio.models import Position, SyncRun
from portfolio.risk.book import read_risk_book
from portfolio.risk.scenarios.book import scenario_book
from tests.factories import AccountFactory
from tests.portfolio.books import FakeBroker, position

ROW = {
    "conid": 11, "assetClass": "OPT", "ticker": "FF", "currency": "USD", "expiry": "20270127",
    "putOrCall": "C", "strike": "3.125", "multiplier": 1.0, "isEventContract": True,
}  # fmt: skip
SOCKET = {
    "conid": "11", "symbol": "FF", "secType": "OPT", "expiry": "20270127", "strike": "3.125",
    "right": "C", "multiplier": "1", "exchange": "", "currency": "USD", "account": "DU1",
    "localSymbol": "FF Jan27'27 3.125 Y", "tradingClass": "FF", "position": "5", "avgCost": "0.4",
}  # fmt: skip
PORTFOLIO = {
    "position": "5", "marketPrice": "0.55", "marketValue": "2.75", "unrealizedPNL": "0.75",
    "realizedPNL": "0", "primaryExchange": "FORECASTX",
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"isEventContract": False, "listingExchange": "FORECASTX"},
        {"isEventContract": None, "assetClass": "EC"},
        {"isEventContract": None, "assetClass": "FOP", "tradingClass": "ECES", "ticker": "ES"},
        {"strike": "-0.5", "putOrCall": "P"},
        {"strike": "0"},
    ],
)
def test_option_that_is_an_event_contract_is_its_own_kind(changes: dict[str, Any]) -> None:
    contract = decode_contract({**ROW, **changes})
    assert contract.kind is InstrumentKind.EVENT
    assert not contract.is_option
    assert contract_error(contract) is None
    assert contract.expiry == date(2027, 1, 27)
    shown = Decimal(changes.get("strike", "3.125"))
    side = "no" if "putOrCall" in changes else "yes"
    assert contract.symbol == f"{contract.root} 20270127 {shown} {side}"
    assert not needs_definition({**ROW, **changes})


def test_yes_and_no_are_two_contracts_with_names() -> None:
    yes, no = decode_contract(ROW), decode_contract({**ROW, "putOrCall": "P"})
    assert (yes.symbol, no.symbol) == ("FF 20270127 3.125 yes", "FF 20270127 3.125 no")
    assert instrument_key(yes) == "event_contract:FF:20270127:3.125:C:1:USD"
    assert instrument_key(no) == "event_contract:FF:20270127:3.125:P:1:USD"
    assert (yes.right, no.right) == (Right.CALL, Right.PUT)


@pytest.mark.parametrize("trading_class", ["ES", "E1A", "EW3", "EC"])
def test_option_on_a_future_of_another_class_stays_one(trading_class: str) -> None:
    changes = {"isEventContract": False, "assetClass": "FOP", "tradingClass": trading_class}
    assert decode_contract({**ROW, **changes}).kind is InstrumentKind.FUTURE_OPTION


def test_socket_row_and_the_exchange_of_its_portfolio_row_tells() -> None:
    held = decode_position(SOCKET, PORTFOLIO, None, received_at=market_now())
    assert held.contract.kind is InstrumentKind.EVENT
    assert instrument_key(held.contract) == instrument_key(decode_contract(ROW))
    assert (held.price, held.market_value) == (Decimal("0.55"), Decimal("2.75"))


def test_tastytrade_sends_a_kind_of_its_own() -> None:
    row = {
        "instrument-type": "Event Contract",
        "symbol": "FEDRATE-27JAN-T3.125",
        "underlying-symbol": "FEDRATE",
        "multiplier": 1,
        "expires-at": "2027-01-27T19:00:00Z",
    }
    contract = decode_tastytrade(row)
    assert contract.kind is InstrumentKind.EVENT
    assert contract.expires_at == datetime(2027, 1, 27, 19, tzinfo=UTC)
    assert contract_error(contract) is None
    with pytest.raises(BadRow, match="multiplier"):
        decode_tastytrade({**row, "multiplier": None})


@pytest.mark.django_db
def test_held_event_contract_has_a_value_but_neither_greeks_nor_scenario(
    broker: FakeBroker, run_sync: Callable[[str], SyncRun], signed_in: Client, trader: Any
) -> None:
    account = AccountFactory.create(owner=trader)
    contract: Contract = decode_contract(ROW)
    held = position(contract, 5, price=Decimal("0.55"), average_price=Decimal("0.4"))
    broker.positions = [held]
    broker.snapshot = lambda _: None
    run_sync(account.pk)

    row = Position.objects.get()
    assert (row.market_value, row.unrealized_pnl) == (Decimal("2.75"), Decimal("0.75"))
    assert (row.right, row.delta_raw) == ("", None)
    (instrument,) = resolve_instruments([contract]).values()
    assert (instrument.expires_at, instrument.exercise_style) == (None, "")
    [shown] = read_book([account]).positions
    assert [shown[name] for name in ("delta", "gamma", "iv", "greeks_source")] == [None] * 4
    book = read_risk_book([account], with_closes=False)
    prepared = scenario_book(
        book.legs, currency="USD", rates={}, spots={"FF": 11.0}, dividends={}, at=book.at
    )
    [left_out] = prepared.left_out
    assert left_out.reason == "an event contract: no model values it"
    page = signed_in.get("/").content.decode()
    assert "FF 3.125 yes" in page
    assert '<small data-field="note">event contract</small>' in page
