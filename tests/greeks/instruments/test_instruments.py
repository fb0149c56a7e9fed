from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections

from greeks.calendar.seeding import seed_exchange_sessions
from greeks.domain import Contract, InstrumentKind, Right
from greeks.instruments.identity import instrument_key
from greeks.instruments.store import (
    contract_error,
    contracts_of,
    resolve_instruments,
)
from greeks.models import ExchangeSession, Instrument, InstrumentAlias

STOCK = Contract(
    kind=InstrumentKind.STOCK,
    symbol="AAPL",
    underlying="AAPL",
    multiplier=Decimal(1),
    currency="USD",
    aliases={"ibkr": "265598"},
)
OPTION = Contract(
    kind=InstrumentKind.OPTION,
    symbol="SPXW  270115C06000500",
    underlying="SPX",
    root="SPXW",
    multiplier=Decimal(100),
    currency="USD",
    expiry=date(2027, 1, 15),
    strike=Decimal("6000.50"),
    right=Right.CALL,
    aliases={"ibkr": "4711", "tastytrade": "SPXW  270115C06000500"},
)


def test_key_names_what_makes_a_contract_and_nothing_of_its_provider() -> None:
    assert instrument_key(OPTION) == "option:SPXW:20270115:6000.5:C:100:USD"
    assert instrument_key(STOCK) == "stock:AAPL:USD"
    other_way = replace(
        OPTION,
        symbol="SPXW 6000.5 C",
        strike=Decimal("6000.500"),
        multiplier=Decimal("100.0"),
        exchange="CBOE",
        description="SPX weekly",
        aliases={},
    )
    assert instrument_key(other_way) == instrument_key(OPTION)


@pytest.mark.parametrize(
    "change",
    [
        {"root": "SPX"},
        {"expiry": date(2027, 1, 16)},
        {"strike": Decimal("6000.51")},
        {"right": Right.PUT},
        {"multiplier": Decimal(10)},
        {"currency": "EUR"},
    ],
)
def test_each_part_of_the_identity_makes_another_key(change: dict[str, Any]) -> None:
    assert instrument_key(replace(OPTION, **change)) != instrument_key(OPTION)


def test_spellings_of_share_classes_and_futures_meet() -> None:
    spellings = [
        replace(STOCK, symbol=name, underlying=name) for name in ("BRK B", "BRK.B", "BRK/B")
    ]
    assert len({instrument_key(contract) for contract in spellings}) == 1
    future = Contract(
        kind=InstrumentKind.FUTURE,
        symbol="/ESH7",
        underlying="/ES",
        root="/ES",
        multiplier=Decimal(50),
        currency="USD",
        expiry=date(2027, 3, 19),
    )
    as_ibkr = replace(future, symbol="ESH7", underlying="ES", root="ES")
    assert instrument_key(future) == instrument_key(as_ibkr)


def test_option_without_root_is_known_by_its_underlying() -> None:
    assert instrument_key(replace(OPTION, root="", underlying="SPXW")) == instrument_key(OPTION)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"symbol": ""}, "symbol"),
        ({"symbol": "x" * 65}, "symbol"),
        ({"symbol": "A\x00"}, "symbol"),
        ({"currency": "DOLLARSUS"}, "currency"),
        ({"multiplier": Decimal(0)}, "multiplier"),
        ({"multiplier": Decimal("NaN")}, "multiplier"),
        ({"strike": Decimal("1e13")}, "strike"),
        ({"strike": None}, "an option needs"),
        ({"right": None}, "an option needs"),
        ({"expiry": date(1, 1, 1)}, "expiry"),
        ({"expiry": date(2100, 1, 1)}, "expiry"),
    ],
)
def test_impossible_contract_says_which_field(change: dict[str, Any], field: str) -> None:
    error = contract_error(replace(OPTION, **change))
    assert error is not None
    assert error.startswith(field)


@pytest.mark.django_db
def test_instruments_are_made_once_and_found_again() -> None:
    first = resolve_instruments([STOCK, OPTION, OPTION])
    second = resolve_instruments([OPTION, STOCK])

    assert {key: row.pk for key, row in first.items()} == {k: row.pk for k, row in second.items()}
    row = first[instrument_key(OPTION)]
    assert (row.strike, row.right, row.root) == (Decimal("6000.50"), "C", "SPXW")
    assert row.expires_at == datetime(2027, 1, 15, 21, 0, tzinfo=UTC)
    assert row.exercise_style == "european"
    assert Instrument.objects.count() == 2
    assert InstrumentAlias.objects.count() == 3


@pytest.mark.django_db
def test_alias_of_a_second_provider_is_added_and_given_back() -> None:
    resolve_instruments([STOCK])
    (row,) = resolve_instruments([replace(STOCK, aliases={"tastytrade": "AAPL"})]).values()

    assert contracts_of([row])[row.pk].aliases == {"ibkr": "265598", "tastytrade": "AAPL"}


@pytest.mark.django_db
def test_alias_of_another_instrument_is_reported_and_left_alone() -> None:
    resolve_instruments([STOCK])
    impostor = replace(STOCK, symbol="MSFT", underlying="MSFT")

    resolved = resolve_instruments([impostor])

    (conflict,) = resolved.conflicts
    assert (conflict.provider, conflict.key) == ("ibkr", "265598")
    assert InstrumentAlias.objects.get().instrument.symbol == "AAPL"
    assert resolved["stock:MSFT:USD"].symbol == "MSFT"


@pytest.mark.django_db
def test_two_contracts_of_one_answer_that_claim_an_alias_are_reported() -> None:
    impostor = replace(STOCK, symbol="MSFT", underlying="MSFT")

    resolved = resolve_instruments([STOCK, impostor])

    assert [conflict.claimed_by for conflict in resolved.conflicts] == ["stock:MSFT:USD"]
    assert InstrumentAlias.objects.count() == 1


@pytest.mark.django_db
def test_queries_do_not_grow_with_the_contracts(django_assert_num_queries: Any) -> None:
    many = [replace(OPTION, strike=Decimal(n), aliases={"ibkr": str(n)}) for n in range(1, 400)]
    resolve_instruments(many)

    with django_assert_num_queries(2):
        resolve_instruments(many[:3])
    with django_assert_num_queries(2):
        resolve_instruments(many)


@pytest.mark.django_db
def test_expiry_follows_a_calendar_that_learned_of_a_half_day() -> None:
    thanksgiving = replace(OPTION, expiry=date(2027, 11, 26))
    ExchangeSession.objects.all().delete()
    (before,) = resolve_instruments([thanksgiving]).values()
    assert before.expires_at == datetime(2027, 11, 26, 21, 0, tzinfo=UTC)

    seed_exchange_sessions(exchange="NYSE", from_year=2027, to_year=2027)
    (after,) = resolve_instruments([thanksgiving]).values()

    assert after.expires_at == datetime(2027, 11, 26, 18, 0, tzinfo=UTC)
    assert Instrument.objects.get().expires_at == after.expires_at


@pytest.mark.django_db
def test_impossible_contract_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="currency"):
        resolve_instruments([replace(STOCK, currency="")])


@pytest.mark.django_db
def test_no_contracts_need_no_query(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert resolve_instruments([]) == {}


@pytest.mark.django_db(transaction=True)
def test_same_contracts_from_several_writers_at_once_make_one_row_each() -> None:
    together = threading.Barrier(4)
    contracts = [replace(OPTION, strike=Decimal(n), aliases={"ibkr": str(n)}) for n in range(1, 60)]

    def resolve(turn: int) -> dict[str, int]:
        try:
            together.wait(5)
            mine = contracts[turn:] + contracts[:turn]
            return {key: row.pk for key, row in resolve_instruments(mine).items()}
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(resolve, range(4)))

    assert all(answer == answers[0] for answer in answers)
    assert Instrument.objects.count() == InstrumentAlias.objects.count() == 59
