"""Futures stored under IBKR's names become those of every broker; nothing recorded is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps

from greeks.domain import Contract
from greeks.instruments import price_units
from greeks.instruments.store import resolve_instruments
from greeks.models import Instrument, InstrumentAlias
from portfolio.brokers.ibkr_portal.contracts import UNDERLYING_KEY, decode_contract
from portfolio.domain import Broker, BrokerExecution, Side
from portfolio.models import Position
from tests.factories import PositionFactory
from tests.trades.files import account_at
from trades.executions.rows import JournalRows, Recorded
from trades.executions.store import record_rows
from trades.models import Trade, TradeExecution, TradeLot

pytestmark = pytest.mark.django_db
AT = datetime(2026, 9, 1, 15, tzinfo=UTC)
FUTURE = {"conid": 1, "assetClass": "FUT", "ticker": "SOFR3", "currency": "USD",
          "multiplier": 2500, "expiry": "20261215"}  # fmt: skip
UNDER = "future:{}:20261215:2500:USD"


def contracts(name: str) -> tuple[Contract, Contract]:
    call = FUTURE | {
        "conid": 2, "assetClass": "FOP", "putOrCall": "C", "strike": 96, "tradingClass": "SR3",
        "expiry": "20261211", UNDERLYING_KEY: UNDER.format(name),
    }  # fmt: skip
    return decode_contract(FUTURE), decode_contract(call)


def record(name: str) -> Recorded:
    rows = JournalRows()
    for number, contract in enumerate(2 * contracts(name)):
        values: dict[str, Any] = {
            "broker": Broker.IBKR, "account_number": "U1", "contract": contract,
            "side": Side.SELL if number // 2 else Side.BUY, "quantity": Decimal(1),
            "price": Decimal(95 + number), "execution_time": AT + timedelta(minutes=number),
            "source": "ibkr", "broker_execution_id": f"{number:04x}.01.01",
        }  # fmt: skip
        rows.executions.append(BrokerExecution(**values))
    return record_rows(rows, broker=Broker.IBKR, source="ibkr")


def mend() -> None:
    import_module("trades.migrations.0014_exchange_codes").rename(apps, None)


def journal() -> list[Any]:
    names = ("instrument__key", "instrument__underlying_key", "instrument__symbol")
    return [
        list(TradeExecution.objects.order_by("pk").values_list(*names, "symbol", "fingerprint")),
        list(TradeLot.objects.order_by("pk").values_list(*names, "gross")),
        list(Trade.objects.order_by("opening_id").values_list("underlying", "name", "net")),
    ]


@pytest.fixture
def former() -> None:
    account = account_at("IBKR", "U1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(price_units, "_CODES", {})
        record("SOFR3")
    future = Instrument.objects.get(key=UNDER.format("SOFR3"))
    PositionFactory(account=account, instrument=future, symbol=future.symbol, underlying="/SOFR3")


@pytest.mark.usefixtures("former")
@pytest.mark.parametrize("is_known", [False, True])
def test_future_stored_under_ibkrs_name_is_that_of_every_broker(is_known: bool) -> None:
    if is_known:
        resolve_instruments([contracts("SR3")[0]])
    mend()
    mended = journal()
    mend()
    assert journal() == mended
    assert sorted(Instrument.objects.values_list("key", "underlying", "symbol")) == [
        ("future:SR3:20261215:2500:USD", "/SR3", "SR3 20261215"),
        ("future_option:SR3:20261211:96:C:2500:USD", "/SR3", "SR3 20261211 C 96"),
    ]
    assert InstrumentAlias.objects.get(key="1").instrument.key == UNDER.format("SR3")
    position = Position.objects.select_related("instrument").get()
    assert (position.underlying, position.symbol) == ("/SR3", "SR3 20261215")
    assert position.instrument.key == UNDER.format("SR3")
    assert {row[0] for row in mended[2]} == {"/SR3"}
    # The next sync knows every fill, and a journal written today is the same.
    again = record("SR3")
    assert (again.existing, again.inserted, again.quarantined) == (4, 0, 0)
    assert journal() == mended
    for model in (TradeLot, Trade, TradeExecution, Position, Instrument):
        model.objects.all().delete()
    record("SR3")
    assert journal() == mended


@pytest.mark.usefixtures("former")
def test_product_of_another_size_keeps_its_name() -> None:
    Instrument.objects.filter(kind="future").update(multiplier=4167)
    mend()
    assert Instrument.objects.filter(underlying="/SOFR3").count() == 1
