"""Streamed prices are stored by themselves: no failure of an update stops them, nor theirs one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import OperationalError
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings
from redis.exceptions import ConnectionError as RedisConnectionError

from config.core.clock import market_now, now
from greeks.domain import Contract, Snapshot
from greeks.instruments.store import resolve_instruments
from portfolio.market_data import prices
from portfolio.market_data.prices import write_prices
from portfolio.models import Account, Position, PriceBar, Quote, SyncRun
from portfolio.streams import publishing
from portfolio.streams.publishing import keep_prices_stored, publish
from portfolio.streams.updates import UpdateLoop
from tests.factories import AccountFactory
from tests.portfolio.books import FakeBroker, option, position, quote, stock

pytestmark = pytest.mark.django_db(transaction=True)
CALL = option(600)
SILENT = ("opening_price", "previous_close", "volume", "open_interest")


@pytest.fixture
def account(broker: FakeBroker, run_sync: Callable[[str], SyncRun]) -> Account:
    found: Account = AccountFactory.create()
    broker.positions = [position(stock(), 50), position(CALL, -2)]
    run_sync(found.pk)
    PriceBar.objects.all().delete()
    return found


def tick(price: int, contract: Contract | None = None, **changes: Any) -> Snapshot:
    contract = contract or stock()
    values = {"bid": Decimal(price - 1), "ask": Decimal(price + 1), "mark": None, "source": "ibkr"}
    return Snapshot(contract=contract, quote=quote(contract, **(values | changes)), greeks=None)


def stored(contract: Contract | None = None) -> Quote:
    return Quote.objects.get(symbol=(contract or stock()).symbol)


@pytest.mark.usefixtures("account")
def test_ticks_of_a_minute_become_one_bar_and_the_newest_quote() -> None:
    at = (market_now() + timedelta(minutes=1)).replace(second=10, microsecond=0)
    for second, price in enumerate((700, 705, 690, 701)):
        with time_machine.travel(at + timedelta(seconds=second), tick=False):
            assert publish("ibkr", [tick(price, as_of=at + timedelta(seconds=second))])
    assert write_prices() == 1
    assert stored().price == Decimal(701)
    assert stored().as_of == at + timedelta(seconds=3)
    (bar,) = PriceBar.objects.all()
    assert (bar.open, bar.high, bar.low, bar.close, bar.samples) == (700, 705, 690, 701, 4)
    assert bar.minute == at.replace(second=0)

    later = at + timedelta(seconds=20)
    with time_machine.travel(later, tick=False):
        publish("ibkr", [tick(710, as_of=later)])
        write_prices()
    (bar,) = PriceBar.objects.all()
    assert (bar.open, bar.high, bar.low, bar.close, bar.samples) == (700, 710, 690, 710, 5)
    assert write_prices() == 0


@pytest.mark.usefixtures("account")
def test_same_value_again_is_no_new_sample_and_an_older_one_is_ignored() -> None:
    at = now()
    for snapshot in (
        tick(700, as_of=at),
        tick(700, as_of=at),
        tick(600, as_of=at - timedelta(seconds=5)),
        tick(690, as_of=at),
    ):
        publish("ibkr", [snapshot])
    write_prices()
    (bar,) = PriceBar.objects.all()
    assert (bar.samples, bar.low, bar.close) == (2, 690, 690)


@pytest.mark.usefixtures("account")
def test_what_a_stream_does_not_say_of_the_day_is_kept() -> None:
    before = Quote.objects.values(*SILENT).get(symbol=CALL.symbol)
    assert None not in before.values()
    publish("ibkr", [tick(14, CALL, **dict.fromkeys(SILENT))])
    write_prices()
    assert stored(CALL).price == Decimal(14)
    assert Quote.objects.values(*SILENT).get(symbol=CALL.symbol) == before


@pytest.mark.parametrize(
    ("contract", "last", "kept"),
    [
        # The same day in New York, the next in Mumbai.
        pytest.param(stock("INFY", currency="INR"), "2026-11-18T09:00+00:00", False, id="India"),
        pytest.param(stock("SPY"), "2026-11-18T20:00+00:00", True, id="New York, evening"),
        pytest.param(stock("SAP", currency="EUR"), "2026-11-18T16:00+00:00", True, id="others"),
    ],
)
def test_day_of_a_price_begins_where_it_trades(contract: Contract, last: str, kept: bool) -> None:
    resolve_instruments([contract])
    publish("ibkr", [tick(700, contract, as_of=datetime.fromisoformat(last))])
    write_prices()
    later = datetime.fromisoformat("2026-11-19T03:50+00:00")
    publish("ibkr", [tick(710, contract, as_of=later, **dict.fromkeys(SILENT))])
    write_prices()
    assert (stored(contract).price, stored(contract).opening_price is not None) == (710, kept)


@pytest.mark.usefixtures("account")
def test_quote_that_another_source_has_newer_is_not_replaced() -> None:
    publish("ibkr", [tick(700, as_of=stored().as_of - timedelta(seconds=1))])
    write_prices()
    assert stored().price != Decimal(700)


@pytest.mark.usefixtures("account")
def test_impossible_values_and_strangers_are_left_out() -> None:
    before = stored().price
    publish(
        "ibkr",
        [
            tick(-700),
            tick(700, bid=Decimal("NaN"), ask=None),
            tick(700, contract=stock("NOBODYS")),
            Snapshot(contract=CALL, quote=None, greeks=None),
        ],
    )
    write_prices()
    assert stored().price == before
    assert not Quote.objects.filter(symbol="NOBODYS").exists()


@pytest.mark.usefixtures("account")
def test_many_prices_cost_as_few_queries_as_one(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    publish("ibkr", [tick(700), tick(14, CALL)])
    context: CaptureQueriesContext
    with django_assert_max_num_queries(6) as context:
        assert write_prices() == 2
    assert len(context) >= 4


@pytest.mark.parametrize("trouble", ["queue", "redis", "revaluation", "total"])
def test_trouble_with_updates_stops_no_price(
    account: Account, monkeypatch: pytest.MonkeyPatch, settings: Settings, trouble: str
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise {"redis": RedisConnectionError("gone")}.get(trouble, OperationalError("broken"))

    if trouble == "queue":
        monkeypatch.setattr(publishing, "update_portfolios_for_instruments", broken)
    elif trouble == "redis":
        settings.REDIS_URL = "unix:///nonexistent/greekdesk.sock?db=0"
    elif trouble == "revaluation":
        monkeypatch.setattr("portfolio.streams.updates.refresh_streamed", broken)
    else:
        monkeypatch.setattr("portfolio.streams.updates.recalculate", broken)
    publish("ibkr", [tick(700)])
    asyncio.run(looked_once())
    write_prices()
    assert stored().price == Decimal(700)
    assert PriceBar.objects.get().close == Decimal(700)


def test_trouble_with_prices_stops_no_update_and_they_are_stored_later(
    account: Account, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.PORTFOLIO_UPDATE_DEBOUNCE_SECONDS = 0.0
    settings.PORTFOLIO_UPDATE_MAXIMUM_WAIT_SECONDS = 0.0
    at = now()

    def broken(*_: Any, **__: Any) -> None:
        raise OperationalError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(prices, "fold_price_bars", broken)
        publish("ibkr", [tick(700, as_of=at)])
        assert write_prices() == 0
        # Quotes and bars are one transaction.
        assert stored().price != Decimal(700)
        publish("ibkr", [tick(720, as_of=at + timedelta(seconds=1))])
        assert write_prices() == 0
        asyncio.run(looked_once())
        held = Position.objects.get(account=account, symbol=stock().symbol)
        assert held.price == Decimal(720)
    assert write_prices() == 1
    assert stored().price == Decimal(720)
    bars = PriceBar.objects.order_by("minute")
    assert (bars.first().open, bars.last().close) == (700, 720)  # type: ignore[union-attr]
    assert sum(bar.samples for bar in bars) == 2


def test_prices_that_cannot_even_be_noted_stop_no_update(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "checked_quote", lambda _: 1 / 0)
    assert publish("ibkr", [tick(700)])


@pytest.mark.usefixtures("account")
def test_waiting_bars_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "MOST_BARS", 2)
    start = market_now().replace(second=0, microsecond=0)

    def broken(*_: Any, **__: Any) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(prices, "write_quotes", broken)
        for minute in range(4):
            at = start + timedelta(minutes=minute)
            with time_machine.travel(at, tick=False):
                publish("ibkr", [tick(700 + minute, as_of=at)])
                write_prices()
    write_prices()
    assert [bar.close for bar in PriceBar.objects.order_by("minute")] == [702, 703]


@pytest.mark.usefixtures("account")
def test_loop_writes_what_waits_when_it_is_stopped() -> None:
    async def run() -> None:
        task = asyncio.create_task(keep_prices_stored())
        await asyncio.sleep(0)
        publish_in_thread = asyncio.to_thread(publish, "ibkr", [tick(700)])
        await publish_in_thread
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert stored().price == Decimal(700)


async def looked_once() -> None:
    loop = UpdateLoop()
    await loop.look()
    await loop.settle()
