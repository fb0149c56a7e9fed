"""A contract id stored under the last trading day follows the contract to its expiry."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from greeks.domain import Contract, InstrumentKind, Right
from greeks.instruments.store import resolve_instruments
from greeks.models import ContractGreekHistory, ContractGreeks, Instrument, InstrumentAlias
from tests.factories import PositionFactory

pytestmark = pytest.mark.django_db
AT = datetime(2027, 3, 1, 15, 0, tzinfo=UTC)
RIGHT = Contract(
    kind=InstrumentKind.OPTION,
    symbol="RUT   270319C02100000",
    underlying="RUT",
    root="RUT",
    multiplier=Decimal(100),
    currency="USD",
    expiry=date(2027, 3, 19),
    strike=Decimal(2100),
    right=Right.CALL,
    aliases={"ibkr": "8"},
)
MISDATED = replace(RIGHT, symbol="RUT   270318C02100000", expiry=date(2027, 3, 18))


def stored(contract: Contract) -> Instrument:
    (row,) = resolve_instruments([contract]).values()
    return row


def write_greeks(instrument: Instrument, *minutes: int) -> None:
    shared = {"instrument": instrument, "source": "ibkr", "as_of": AT}
    ContractGreeks.objects.create(**shared, updated_at=AT)
    for minute in minutes:
        ContractGreekHistory.objects.create(**shared, minute=AT + timedelta(minutes=minute))


def test_contract_id_moves_with_positions_greeks_and_history() -> None:
    old = stored(MISDATED)
    position = PositionFactory(instrument=old)
    write_greeks(old, 1, 2)

    resolved = resolve_instruments([RIGHT])

    (new,) = resolved.values()
    assert resolved.conflicts == ()
    assert InstrumentAlias.objects.get().instrument == new
    position.refresh_from_db()
    assert position.instrument == new
    assert ContractGreeks.objects.get().instrument == new
    assert ContractGreekHistory.objects.filter(instrument=new).count() == 2
    assert list(Instrument.objects.all()) == [new]


def test_instrument_known_from_another_broker_keeps_its_own_rows() -> None:
    new = stored(replace(RIGHT, aliases={"tastytrade": RIGHT.symbol}))
    old = stored(MISDATED)
    write_greeks(old, 1, 2)
    write_greeks(new, 2, 3)

    stored(RIGHT)

    minutes = ContractGreekHistory.objects.filter(instrument=new).values_list("minute", flat=True)
    assert sorted(minutes) == [AT + timedelta(minutes=minute) for minute in (1, 2, 3)]
    assert ContractGreekHistory.objects.count() == 3
    assert list(Instrument.objects.all()) == [new]
    assert {alias.provider for alias in new.aliases.all()} == {"ibkr", "tastytrade"}


def test_instrument_that_another_broker_names_stays() -> None:
    old = stored(replace(MISDATED, aliases={"ibkr": "8", "tastytrade": MISDATED.symbol}))
    position = PositionFactory(instrument=old)

    new = stored(RIGHT)

    assert InstrumentAlias.objects.get(provider="ibkr").instrument == new
    position.refresh_from_db()
    assert position.instrument == old


@pytest.mark.parametrize(
    "claimant",
    [
        # The last trading day does not win back the id.
        replace(RIGHT, expiry=date(2027, 3, 17)),
        replace(RIGHT, expiry=date(2027, 3, 25)),
        replace(RIGHT, strike=Decimal(2110), expiry=date(2027, 3, 19)),
    ],
)
def test_other_contradictions_are_reported_and_left_alone(claimant: Contract) -> None:
    old = stored(MISDATED)
    resolved = resolve_instruments([claimant])
    assert [conflict.key for conflict in resolved.conflicts] == ["8"]
    assert InstrumentAlias.objects.get().instrument == old
