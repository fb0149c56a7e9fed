"""Streamed values in the real Valkey: latest only, with their age, bounded, and lost gracefully."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.conf import LazySettings

from config.core.redis.client import key, redis_client
from greeks.domain import Contract, Greeks, InstrumentKind, Quote, Right, Snapshot
from greeks.instruments.identity import instrument_key
from greeks.providers import streamed_values
from greeks.providers.streamed_values import read_streamed, store_streamed

AS_OF = datetime(2026, 11, 20, 15, 59, 58, 250_000, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)


def call(strike: str = "600.5") -> Contract:
    return Contract(
        kind=InstrumentKind.OPTION,
        symbol=f"SPY   270115C{int(Decimal(strike) * 1000):08d}",
        underlying="SPY",
        root="SPY",
        multiplier=Decimal(100),
        currency="USD",
        expiry=datetime(2027, 1, 15, tzinfo=UTC).date(),
        strike=Decimal(strike),
        right=Right.CALL,
    )


def quote(contract: Contract, bid: str = "12.1") -> Quote:
    return Quote(
        contract=contract,
        source="tastytrade",
        as_of=AS_OF,
        bid=Decimal(bid),
        ask=Decimal("12.3"),
        previous_close=Decimal("11.85"),
        open_interest=1200,
    )


def greeks(delta: float = 0.5123456789) -> Greeks:
    return Greeks(
        source="tastytrade", as_of=AS_OF, delta=delta, gamma=0.01, theta=-0.2, vega=0.9,
        implied_volatility=0.182,
    )  # fmt: skip


def snapshot(contract: Contract) -> Snapshot:
    return Snapshot(contract=contract, quote=quote(contract), greeks=greeks())


def test_stored_snapshot_is_read_as_it_was() -> None:
    wanted = snapshot(call())

    assert store_streamed("tastytrade", [wanted]) == 1
    assert read_streamed("tastytrade", [call("700"), call()], newest_seconds=30) == [wanted]
    assert read_streamed("ibkr", [call()], newest_seconds=30) == []


def test_newer_value_replaces_its_own_part_only() -> None:
    contract = call()
    store_streamed("tastytrade", [snapshot(contract)])
    moved = Snapshot(contract=contract, quote=quote(contract, bid="12.2"), greeks=None)
    store_streamed("tastytrade", [moved])
    store_streamed("tastytrade", [Snapshot(contract=contract, quote=None, greeks=greeks(0.6))])

    [found] = read_streamed("tastytrade", [contract], newest_seconds=30)
    assert found.quote == moved.quote
    assert found.greeks == greeks(0.6)


def test_part_that_was_not_renewed_in_time_is_absent() -> None:
    contract = call()
    with time_machine.travel(NOW, tick=False) as clock:
        store_streamed("tastytrade", [snapshot(contract)])
        clock.shift(timedelta(seconds=20))
        store_streamed("tastytrade", [Snapshot(contract=contract, quote=None, greeks=greeks())])
        clock.shift(timedelta(seconds=20))

        [found] = read_streamed("tastytrade", [contract], newest_seconds=30)
        assert (found.quote, found.greeks) == (None, greeks())
        assert read_streamed("tastytrade", [contract], newest_seconds=10) == []
        [old] = read_streamed("tastytrade", [contract], newest_seconds=60)
        assert old.quote is not None
        assert old.quote.as_of == AS_OF


def test_every_key_runs_out_and_a_batch_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed_values, "LARGEST_BATCH", 3)
    monkeypatch.setattr(streamed_values, "_A_ROUND_TRIP", 2)

    assert store_streamed("tastytrade", [snapshot(call(str(500 + n))) for n in range(5)]) == 3

    names = redis_client().keys(key("streamed", "*"))
    assert sorted(names) == sorted(
        key("streamed", "tastytrade", instrument_key(call(str(500 + n)))) for n in range(3)
    )
    for name in names:
        assert 0 < redis_client().ttl(name) <= streamed_values.KEPT_SECONDS


def test_two_vendors_names_of_one_contract_meet() -> None:
    theirs = Contract(
        kind=InstrumentKind.STOCK, symbol="BRK/B", underlying="BRK/B", multiplier=Decimal(1),
        currency="USD",
    )  # fmt: skip
    ours = Contract(
        kind=InstrumentKind.STOCK, symbol="BRK B", underlying="BRK B", multiplier=Decimal(1),
        currency="USD",
    )  # fmt: skip
    store_streamed("tastytrade", [Snapshot(contract=theirs, quote=quote(theirs), greeks=None)])

    [found] = read_streamed("tastytrade", [ours], newest_seconds=30)
    assert found.contract is ours
    assert found.quote is not None
    assert found.quote.contract is ours


@pytest.mark.parametrize("text", ["", "[1", "{}", '["x"]', "\x00"])
def test_unreadable_value_is_absent(text: str) -> None:
    name = key("streamed", "tastytrade", instrument_key(call()))
    redis_client().hset(name, mapping={"quote": text, "greeks": text})

    assert read_streamed("tastytrade", [call()], newest_seconds=30) == []


def test_lost_redis_stores_nothing_and_reads_nothing(settings: LazySettings) -> None:
    store_streamed("tastytrade", [snapshot(call())])
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    assert store_streamed("tastytrade", [snapshot(call())]) == 0
    assert read_streamed("tastytrade", [call()], newest_seconds=30) == []
