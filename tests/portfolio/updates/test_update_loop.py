"""The loop: what moves is revalued once and totalled, and nothing that fails is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import OperationalError

from config.core.clock import market_now
from config.core.redis.client import key, redis_client
from greeks.domain import Snapshot
from greeks.instruments.identity import instrument_key
from portfolio.models import Account, Portfolio, SyncRun
from portfolio.streams import updates
from portfolio.streams.publishing import publish
from portfolio.streams.updates import UpdateLoop
from portfolio.updates.asking import (
    MANY,
    update_portfolios_for_instruments,
    update_portfolios_for_symbol,
    update_portfolios_of_account,
)
from portfolio.updates.membership import accounts_by_instrument, portfolios_by_account
from portfolio.updates.queue import queue_portfolio_update, queue_portfolio_updates
from portfolio.updates.rules import Priority
from portfolio.updates.statistics import get_queue_stats
from tests.factories import AccountFactory, OptionFactory, PositionFactory
from tests.portfolio.books import FakeBroker, option, position, quote, stock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]
CALL = option(600)


@pytest.fixture(autouse=True)
def at_once(settings: LazySettings) -> None:
    settings.PORTFOLIO_UPDATE_DEBOUNCE_SECONDS = 0.0
    settings.PORTFOLIO_UPDATE_MAXIMUM_WAIT_SECONDS = 0.0


@pytest.fixture
def account(broker: FakeBroker, run_sync: Callable[[str], SyncRun]) -> Account:
    found: Account = AccountFactory.create()
    broker.positions = [position(stock(), 50), position(CALL, -2)]
    run_sync(found.pk)
    portfolios_by_account.cache_clear()
    accounts_by_instrument.cache_clear()
    return found


@pytest.fixture
def portfolio(account: Account) -> Portfolio:
    return Portfolio.objects.get(owner=account.owner)


def look(times: int = 1) -> None:
    async def run() -> None:
        loop = UpdateLoop()
        for _ in range(times):
            await loop.look()
            await loop.settle()

    asyncio.run(run())


def waiting(portfolio: Portfolio) -> set[str]:
    return {
        str(name) for name in redis_client().smembers(key("updates", f"symbols:{portfolio.pk}"))
    }


def test_streamed_price_reaches_the_portfolio(portfolio: Portfolio) -> None:
    look(2)
    portfolio.refresh_from_db()
    before = portfolio.value
    price = Decimal(700)
    moved = quote(stock(), bid=price - 1, ask=price + 1, mark=None, source="ibkr")
    assert publish("ibkr", [Snapshot(contract=stock(), quote=moved, greeks=None)])
    look()
    portfolio.refresh_from_db()
    held = portfolio.owner.owned_accounts.get().positions
    assert held.get(symbol=stock().symbol).price == price
    assert portfolio.value == sum(row.market_value or 0 for row in held.all()) != before
    assert get_queue_stats()["pending_updates"] == 0


def test_sync_of_an_account_queues_its_portfolios(
    account: Account, portfolio: Portfolio, run_sync: Callable[[str], SyncRun]
) -> None:
    look(2)
    queued = get_queue_stats()["queued"]
    run_sync(account.pk)
    assert get_queue_stats()["queued"] > queued
    look()
    portfolio.refresh_from_db()
    account.refresh_from_db()
    assert portfolio.book_version == account.book_version


def test_move_of_an_underlying_queues_who_holds_an_option_on_it(portfolio: Portfolio) -> None:
    assert update_portfolios_for_instruments([instrument_key(stock())]) == 1
    assert update_portfolios_for_symbol(CALL.symbol) == 1
    assert update_portfolios_for_symbol(CALL.underlying) == 1
    assert update_portfolios_for_symbol("ZZZZ") == 0


def test_move_of_a_future_queues_who_holds_an_option_on_it_that_names_no_month(
    account: Account, portfolio: Portfolio
) -> None:
    day = date(2026, 12, 18)
    option = OptionFactory.create(key="future_option:ES", kind="future_option", underlying="/ES")
    PositionFactory.create(
        account=account, instrument=option, instrument_type="future_option", underlying="/ES",
        expiry=day, multiplier=50,
    )  # fmt: skip
    accounts_by_instrument.cache_clear()
    assert portfolio.pk in portfolios_by_account()[account.pk]
    assert update_portfolios_for_instruments(["future:ES:20261218:50:USD"]) == 1
    assert update_portfolios_for_instruments(["future:ES:20261218:1:USD"]) == 0


def test_account_of_two_portfolios_is_revalued_once(
    account: Account, portfolio: Portfolio, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = Portfolio.objects.create(owner=account.owner, name="Second")
    second.accounts.add(account)
    portfolios_by_account.cache_clear()
    accounts_by_instrument.cache_clear()
    look(2)
    asked: list[str] = []

    def revalue(*, account_ids: Sequence[str]) -> frozenset[str]:
        asked.extend(account_ids)
        return frozenset()

    monkeypatch.setattr(updates, "refresh_streamed", revalue)
    assert update_portfolios_for_instruments([instrument_key(CALL)]) == 2
    look()
    assert asked == [account.pk]
    second.refresh_from_db()
    assert second.value is not None


def test_failed_revaluation_does_not_keep_the_portfolio_from_its_total(
    account: Account, portfolio: Portfolio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*, account_ids: Sequence[str]) -> frozenset[str]:
        raise ArithmeticError(account_ids)

    monkeypatch.setattr(updates, "refresh_streamed", fail)
    queue_portfolio_update(portfolio.pk, [CALL.symbol], Priority.MANUAL)
    look()
    portfolio.refresh_from_db()
    assert portfolio.last_updated is not None


def test_account_that_fails_keeps_no_other_from_its_values(
    account: Account, portfolio: Portfolio, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = AccountFactory.create(owner=account.owner)
    refreshed: list[str] = []

    def fail(*, account_ids: Sequence[str]) -> frozenset[str]:
        if account.pk in account_ids:
            raise ArithmeticError(account_ids)
        refreshed.extend(account_ids)
        return frozenset(account_ids)

    monkeypatch.setattr(updates, "refresh_streamed", fail)
    queue_portfolio_update(portfolio.pk, [CALL.symbol], Priority.MANUAL)
    look()
    assert refreshed == [other.pk]


def test_many_instruments_at_once_are_not_named(
    portfolio: Portfolio, monkeypatch: pytest.MonkeyPatch, valkey: Any
) -> None:
    monkeypatch.setattr("portfolio.updates.asking.MOST_NAMED", 1)
    update_portfolios_for_instruments([instrument_key(stock())])
    assert waiting(portfolio) == {instrument_key(stock())}
    update_portfolios_for_instruments([instrument_key(stock()), instrument_key(CALL)])
    assert waiting(portfolio) == {instrument_key(stock()), MANY}


def test_portfolios_of_one_account_are_totalled_in_one_go(
    account: Account, portfolio: Portfolio, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = Portfolio.objects.create(owner=account.owner, name="Second")
    second.accounts.add(account)
    totalled: list[set[int]] = []
    monkeypatch.setattr(updates, "recalculate", lambda ids: totalled.append(set(ids)))
    queue_portfolio_updates({portfolio.pk: (), second.pk: ()}, Priority.MANUAL)
    look()
    assert {portfolio.pk, second.pk} in totalled


def test_failed_total_is_claimed_again(
    portfolio: Portfolio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: list[int]) -> None:
        raise OperationalError("gone")

    queue_portfolio_update(portfolio.pk, [], Priority.MANUAL)
    with monkeypatch.context() as patch:
        patch.setattr(updates, "recalculate", fail)
        look()
    found = get_queue_stats()
    assert (found["in_progress"], found["finished"]) == (1, 0)


def test_lost_redis_is_made_up_for(portfolio: Portfolio, valkey: Any) -> None:
    assert portfolio.last_updated is None
    valkey.empty()
    look(2)
    portfolio.refresh_from_db()
    assert portfolio.last_updated is not None


def test_sweep_ends_the_change_of_an_account_that_is_synced_no_more(
    account: Account, portfolio: Portfolio, settings: LazySettings
) -> None:
    look(2)
    portfolio.refresh_from_db()
    assert portfolio.daily_change
    settings.MARKET_CLOCK = (market_now() + timedelta(days=7)).isoformat()
    look(2)
    before = portfolio.value
    portfolio.refresh_from_db()
    assert (portfolio.daily_change, portfolio.value) == (0, before)
    assert set(account.positions.values_list("daily_change", flat=True)) == {0}


def test_loop_that_is_stopped_finishes_what_it_claimed(
    portfolio: Portfolio, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_portfolio_update(portfolio.pk, [], Priority.MANUAL)

    async def run() -> None:
        loop = UpdateLoop()
        began = asyncio.Event()
        begin = loop._begin

        async def note(claims: Any) -> None:
            await begin(claims)
            began.set()

        monkeypatch.setattr(loop, "_begin", note)
        task = asyncio.create_task(loop.run())
        await began.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    portfolio.refresh_from_db()
    assert portfolio.last_updated is not None
    assert get_queue_stats()["in_progress"] == 0


def test_account_that_nobody_counts_queues_nothing() -> None:
    assert update_portfolios_of_account("DU9") == 0


def test_disabled_account_is_left_alone(account: Account) -> None:
    PositionFactory.create(account=account, instrument=OptionFactory.create(key="option:held"))
    Account.objects.update(enabled=False)
    portfolios_by_account.cache_clear()
    accounts_by_instrument.cache_clear()
    assert update_portfolios_for_instruments(["option:held"]) == 0


def test_way_of_a_price_is_logged_step_by_step(
    portfolio: Portfolio, caplog: pytest.LogCaptureFixture
) -> None:
    look(2)
    with caplog.at_level("DEBUG", logger="portfolio"):
        update_portfolios_for_instruments([instrument_key(stock())])
        look()
    told = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    steps = {each["event"]: each.get("portfolios") for each in told}
    for event in ("updates.queued", "updates.triggered", "updates.batch_processed"):
        assert steps.get(event) == 1, event
