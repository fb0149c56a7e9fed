"""Prices that a poll fetched are stored as streamed ones are: apart from the book, both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import OperationalError

from config.core.clock import market_now
from greeks.domain import Snapshot
from greeks.models import Instrument
from portfolio.accounts.days import session_dates_of
from portfolio.market_data import prices
from portfolio.market_data.prices import write_prices
from portfolio.market_data.sources import MarketData
from portfolio.models import Account, Position, PriceBar, Quote, SyncRun
from portfolio.refresh import run as refreshing
from portfolio.streams.publishing import publish
from portfolio.sync import store
from tests.factories import AccountFactory
from tests.portfolio.books import FakeBroker, position, quote, stock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def account(broker: FakeBroker) -> Account:
    broker.positions = [position(stock(), 50)]
    found: Account = AccountFactory.create()
    return found


@pytest.fixture
def tick() -> Iterator[Callable[[], None]]:
    with time_machine.travel(market_now(), tick=False) as clock:
        yield lambda: clock.shift(timedelta(seconds=1))


def broken(*_: Any, **__: Any) -> Any:
    raise OperationalError("disk full")


def priced(broker: FakeBroker, price: int) -> None:
    found = quote(stock(), bid=None, ask=None, mark=Decimal(price), as_of=market_now())
    broker.snapshot = lambda contract: Snapshot(contract=contract, quote=found, greeks=None)


def stored() -> Quote:
    return Quote.objects.get(symbol=stock().symbol)


def test_book_that_cannot_be_written_leaves_its_prices_stored(
    account: Account,
    broker: FakeBroker,
    run_sync: Callable[[str], SyncRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    priced(broker, 700)
    monkeypatch.setattr(store, "write_positions", broken)
    assert run_sync(account.pk).outcome == SyncRun.Outcome.FAILED
    assert not Position.objects.exists()
    assert stored().price == 700
    assert PriceBar.objects.get().close == 700


def test_prices_that_cannot_be_written_leave_the_book_and_are_stored_later(
    account: Account,
    broker: FakeBroker,
    run_sync: Callable[[str], SyncRun],
    monkeypatch: pytest.MonkeyPatch,
    tick: Callable[[], None],
) -> None:
    priced(broker, 700)
    with monkeypatch.context() as patch:
        patch.setattr(prices, "fold_price_bars", broken)
        assert run_sync(account.pk).outcome == SyncRun.Outcome.SUCCEEDED
    assert Position.objects.get().price == 700
    assert not Quote.objects.exists()
    tick()
    priced(broker, 710)
    run_sync(account.pk)
    assert stored().price == 710
    assert sum(bar.samples for bar in PriceBar.objects.all()) == 2
    assert {bar.open for bar in PriceBar.objects.order_by("minute")[:1]} == {Decimal(700)}


def test_refresh_that_cannot_be_written_leaves_its_prices_stored(
    account: Account,
    broker: FakeBroker,
    run_sync: Callable[[str], SyncRun],
    monkeypatch: pytest.MonkeyPatch,
    tick: Callable[[], None],
) -> None:
    run_sync(account.pk)
    tick()
    row = Instrument.objects.get(symbol=stock().symbol)
    found = quote(stock(), bid=None, ask=None, mark=Decimal(705))
    monkeypatch.setattr(refreshing, "write_positions", broken)
    with pytest.raises(OperationalError):
        refreshing.write_refreshed(
            account.pk,
            MarketData(quotes={row.key: found}),
            {row.key: row},
            session_dates_of(account),
        )
    assert stored().price == 705


def test_polled_and_streamed_prices_of_a_minute_are_one_bar(
    account: Account,
    broker: FakeBroker,
    run_sync: Callable[[str], SyncRun],
    tick: Callable[[], None],
) -> None:
    at = market_now().replace(second=10, microsecond=0) + timedelta(minutes=1)
    with time_machine.travel(at, tick=False) as clock:
        priced(broker, 700)
        run_sync(account.pk)
        clock.shift(timedelta(seconds=2))
        streamed = quote(
            stock(), bid=None, ask=None, mark=Decimal(720), as_of=market_now(), source="ibkr"
        )
        silent = replace(streamed, opening_price=None, previous_close=None)
        publish("ibkr", [Snapshot(contract=stock(), quote=silent, greeks=None)])
        write_prices()
        clock.shift(timedelta(seconds=2))
        run_sync(account.pk)
    (bar,) = PriceBar.objects.all()
    assert (bar.open, bar.high, bar.close, bar.samples) == (700, 720, 720, 2)
    # The poll's quote is older than the streamed one, which has the poll's open.
    assert (stored().price, stored().opening_price) == (720, streamed.opening_price)


def test_poll_of_an_unchanged_price_is_no_new_sample(
    account: Account,
    broker: FakeBroker,
    run_sync: Callable[[str], SyncRun],
    tick: Callable[[], None],
) -> None:
    priced(broker, 700)
    for _ in range(3):
        run_sync(account.pk)
        tick()
    assert PriceBar.objects.get().samples == 1
