"""Corn stored as 50 × cents becomes the contract of 5,000 bushels; nothing recorded is lost."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps

from greeks.instruments import price_units
from greeks.instruments.store import resolve_instruments
from greeks.models import ContractGreeks, Instrument
from portfolio.brokers.tastytrade.contracts import decode_contract
from portfolio.brokers.tastytrade.future_symbols import FutureTerms
from portfolio.brokers.tastytrade.transactions import decode_transaction
from portfolio.domain import Broker
from portfolio.models import Account, Position
from tests.factories import PositionFactory
from tests.trades.files import account_at
from trades.executions.rows import JournalRows, Recorded
from trades.executions.store import record_rows
from trades.models import Trade, TradeExecution, TradeLeg, TradeLot

pytestmark = pytest.mark.django_db

AT = datetime(2026, 9, 1, 15, tzinfo=UTC)
TERMS = {"/ZCZ6": FutureTerms(Decimal(50), datetime(2026, 12, 14, tzinfo=UTC).date())}
CORN = {"instrument-type": "Future", "symbol": "/ZCZ6"}
CALL = {"instrument-type": "Future Option", "symbol": "./ZCZ6 OZCZ6 261120C450",
        "underlying-symbol": "/ZCZ6"}  # fmt: skip
FILLS = (
    ({**CALL, "price": "10.5", "value": "-525"}, "Buy to Open"),
    ({**CALL, "price": "12.25", "value": "612.5"}, "Sell to Close"),
    ({**CORN, "price": "450.25"}, "Buy"),
    ({**CORN, "price": "447.75"}, "Sell"),
    ({**CORN, "price": "449"}, "Buy"),
)


def record() -> Recorded:
    rows = JournalRows()
    for number, (fill, action) in enumerate(FILLS, start=1):
        row: dict[str, Any] = {
            "id": number, "transaction-type": "Trade", "transaction-sub-type": action,
            "action": action, "executed-at": f"2026-09-01T15:0{number}:00Z", "quantity": 1,
            **fill,
        }  # fmt: skip
        rows.add(decode_transaction(row, account_number="1", source="tastytrade", futures=TERMS))
    return record_rows(rows, broker=Broker.TASTY, source="tastytrade")


@pytest.fixture
def account() -> Account:
    return account_at("TASTY", "1")


@pytest.fixture
def in_cents(account: Account) -> None:
    """Fills and a position, recorded when nobody knew the unit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(price_units, "SIZES_OF_HUNDREDTHS", {})
        record()
        option = Instrument.objects.get(kind="future_option")
        PositionFactory(account=account, instrument=option, avg_price=10, price=11)
        values = {"delta_raw": 0.5, "gamma_raw": 0.01, "vega_raw": 0.6, "underlying_price": 450}
        ContractGreeks.objects.create(
            instrument=option, source="model", as_of=AT, updated_at=AT,
            inputs={"price": 11.0, "spot": 450.0, "years": 0.2}, **values,
        )  # fmt: skip
    assert set(Instrument.objects.values_list("multiplier", flat=True)) == {50}


def journal() -> list[Any]:
    """Return all that the journal says of its contracts, by what it is to anybody."""
    names = ("instrument__key", "instrument__underlying_key")
    return [
        list(TradeExecution.objects.order_by("pk").values_list(*names, "price", "fingerprint")),
        list(TradeLot.objects.order_by("pk").values_list(*names, "open_price", "close_price",
                                                         "gross", "net")),
        list(TradeLeg.objects.order_by("pk").values_list(*names, "open_price", "close_price",
                                                         "net")),
        list(Trade.objects.order_by("opening_id").values_list("opening_id", "name", "net")),
    ]  # fmt: skip


def mend() -> None:
    # What calls 0011 on a desk whose journal's tables come from the squashed migration.
    operations = import_module("trades.migrations.0014_exchange_codes").Migration.operations
    operations[0].code(apps, None)


@pytest.mark.usefixtures("in_cents")
@pytest.mark.parametrize("is_stored_anew", [False, True])
def test_contract_stored_in_cents_becomes_that_of_every_broker(is_stored_anew: bool) -> None:
    trades = list(Trade.objects.order_by("opening_id").values_list("opening_id", "net"))
    if is_stored_anew:
        resolve_instruments([decode_contract(CORN, TERMS), decode_contract(CALL, TERMS)])

    mend()

    assert sorted(Instrument.objects.values_list("key", "strike")) == [
        ("future:ZC:20261214:5000:USD", None),
        ("future_option:OZC:20261120:4.5:C:5000:USD", Decimal("4.5")),
    ]
    prices = [fill.price or 0 for fill in TradeExecution.objects.order_by("pk")]
    assert list(map(str, map(float, prices))) == ["0.105", "0.1225", "4.5025", "4.4775", "4.49"]
    assert list(Trade.objects.order_by("opening_id").values_list("opening_id", "net")) == trades
    position, greeks = Position.objects.get(), ContractGreeks.objects.get()
    assert (position.avg_price, position.price) == (Decimal("0.1"), Decimal("0.11"))
    assert (position.strike, position.multiplier) == (Decimal("4.5"), 5000)
    assert (greeks.gamma_raw, greeks.vega_raw, greeks.underlying_price) == (1.0, 0.006, 4.5)
    assert greeks.inputs == {"price": 0.11, "spot": 4.5, "years": 0.2}


@pytest.mark.usefixtures("in_cents")
def test_mended_journal_is_that_of_today_and_the_next_sync_knows_its_fills() -> None:
    mend()
    mended = journal()
    again = record()
    assert (again.existing, again.inserted, again.quarantined) == (len(FILLS), 0, 0)
    assert journal() == mended
    TradeLot.objects.all().delete()
    Trade.objects.all().delete()
    TradeExecution.objects.all().delete()
    Position.objects.all().delete()
    Instrument.objects.all().delete()
    record()
    assert journal()[:3] == mended[:3]


def test_contracts_in_dollars_stay_as_they_are(account: Account) -> None:
    record()
    before = journal()
    mend()
    assert journal() == before
