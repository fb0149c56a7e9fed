"""Two syncs of one account, slow writers, dead workers, and budgets of queries."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from config.core.clock import now
from config.core.errors import LockHeld, NotFound
from config.core.redis import locks
from portfolio.models import Account, Position, PriceBar, Quote, SyncRun
from portfolio.sync import run as sync
from portfolio.sync.requests import request_sync
from portfolio.sync.run import sync_account
from tests.factories import AccountFactory
from tests.portfolio.books import FakeBroker, option, order, position, stock

RunSync = Callable[[str], SyncRun]


@pytest.fixture
def account() -> Account:
    return AccountFactory.create()


def in_threads(*calls: Callable[[], Any]) -> list[Any]:
    def run(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.django_db(transaction=True)
def test_second_sync_of_an_account_leaves_it_to_the_first(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    inside, tried = threading.Event(), threading.Event()
    broker.positions = [position(stock(), 5)]

    def wait(step: str) -> None:
        if step == "positions":
            inside.set()
            tried.wait(5)

    broker.before = wait

    def second() -> SyncRun:
        inside.wait(5)
        try:
            return run_sync(account.pk)
        finally:
            tried.set()

    first_run, second_run = in_threads(lambda: run_sync(account.pk), second)

    assert first_run.outcome == SyncRun.Outcome.SUCCEEDED
    assert isinstance(second_run, LockHeld)
    assert SyncRun.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_slower_older_fetch_never_overwrites_a_newer_book(
    account: Account, broker: FakeBroker, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The lock of the slow one ran out, so that both are at work.
    lapsed = nullcontext(locks.HeldLock("lapsed", 5))
    monkeypatch.setattr(sync, "subject_lock", lambda *_, **__: lapsed)
    fetched, overtaken = threading.Event(), threading.Event()
    broker.positions = [position(stock(), 1)]

    def slow() -> SyncRun:
        return run_sync(account.pk)

    def wait(step: str) -> None:
        if step == "orders" and not fetched.is_set():
            fetched.set()
            overtaken.wait(5)

    broker.before = wait

    def fast() -> SyncRun:
        fetched.wait(5)
        broker.positions = [position(stock(), 2)]
        try:
            return run_sync(account.pk)
        finally:
            overtaken.set()

    slow_run, fast_run = in_threads(slow, fast)

    assert fast_run.outcome == SyncRun.Outcome.SUCCEEDED
    assert slow_run.counts == {"superseded": True}
    assert Position.objects.get().quantity == 2
    account.refresh_from_db()
    assert account.book_version == 1


@pytest.mark.django_db
def test_clock_that_was_set_back_stops_no_sync(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    Account.objects.filter(pk=account.pk).update(last_synced_at=now() + timedelta(hours=1))
    broker.positions = [position(stock(), 5)]

    assert run_sync(account.pk).outcome == SyncRun.Outcome.SUCCEEDED
    assert Position.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_accounts_that_hold_the_same_sync_at_the_same_time(
    broker: FakeBroker, run_sync: RunSync
) -> None:
    accounts = [AccountFactory.create() for _ in range(4)]
    contracts = [option(500 + strike) for strike in range(40)]
    broker.positions = [position(contract) for contract in contracts]
    together = threading.Barrier(4, timeout=10)

    def meet(step: str) -> None:
        if step == "orders":
            together.wait()

    broker.before = meet

    runs = in_threads(*(lambda pk=account.pk: run_sync(pk) for account in accounts))

    assert [run.outcome for run in runs] == [SyncRun.Outcome.SUCCEEDED] * 4
    assert Position.objects.count() == 160
    assert Quote.objects.count() == 41
    assert sum(PriceBar.objects.values_list("samples", flat=True)) >= 41


@pytest.mark.django_db
def test_worker_killed_before_the_commit_loses_nothing(
    account: Account, broker: FakeBroker, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.positions = [position(stock(), 5)]
    run_sync(account.pk)
    broker.positions = [position(stock("QQQ"), 7)]

    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(sync, "_finish", die)
        with pytest.raises(Killed):
            run_sync(account.pk)
    assert Position.objects.get().symbol == "SPY"
    dead = SyncRun.objects.get(outcome=SyncRun.Outcome.RUNNING)

    again = run_sync(account.pk)

    assert again.outcome == SyncRun.Outcome.SUCCEEDED
    assert Position.objects.get().symbol == "QQQ"
    dead.refresh_from_db()
    assert (dead.outcome, dead.error_code) == (SyncRun.Outcome.FAILED, "worker_lost")


@pytest.mark.django_db
def test_redelivered_run_is_done_once(account: Account, broker: FakeBroker) -> None:
    broker.positions = [position(stock(), 5)]
    (queued,) = request_sync(account_ids=[account.pk], trigger=SyncRun.Trigger.REQUEST)

    def deliver() -> SyncRun:
        return sync_account(
            account_id=account.pk, trigger=SyncRun.Trigger.SCHEDULE, run_id=queued.pk
        )

    first, second = deliver(), deliver()

    assert first.pk == second.pk == queued.pk
    assert second.outcome == SyncRun.Outcome.SUCCEEDED
    assert second.trigger == SyncRun.Trigger.REQUEST
    assert broker.calls.count("positions") == 1


@pytest.mark.django_db
def test_run_whose_worker_died_is_started_again_when_redelivered(
    account: Account, broker: FakeBroker
) -> None:
    run = SyncRun.objects.create(
        account=account,
        trigger=SyncRun.Trigger.REQUEST,
        requested_at=now(),
        started_at=now(),
        step=SyncRun.Step.POSITIONS,
        progress=30,
    )
    broker.positions = [position(stock(), 5)]

    done = sync_account(account_id=account.pk, trigger=SyncRun.Trigger.SCHEDULE, run_id=run.pk)

    assert (done.pk, done.outcome) == (run.pk, SyncRun.Outcome.SUCCEEDED)


@pytest.mark.django_db
def test_unknown_account_run_or_disabled_account_is_not_found(
    account: Account, broker: FakeBroker
) -> None:
    trigger = SyncRun.Trigger.COMMAND
    with pytest.raises(NotFound):
        sync_account(account_id="nobody", trigger=trigger)
    with pytest.raises(NotFound):
        sync_account(account_id=account.pk, trigger=trigger, run_id=uuid4())
    Account.objects.update(enabled=False)
    with pytest.raises(NotFound):
        sync_account(account_id=account.pk, trigger=trigger)


@pytest.mark.django_db
def test_sync_works_while_redis_is_away(
    account: Account, broker: FakeBroker, run_sync: RunSync, settings: Any
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    broker.positions = [position(stock(), 5)]

    assert run_sync(account.pk).outcome == SyncRun.Outcome.SUCCEEDED


@pytest.mark.django_db
def test_queries_of_a_sync_do_not_grow_with_the_book(
    account: Account, broker: FakeBroker, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Progress is written by the clock: on a busy machine once more than on an idle one.
    monkeypatch.setattr("portfolio.sync.progress.SECONDS_BETWEEN_WRITES", float("inf"))

    def queries(size: int) -> int:
        broker.positions = [position(option(500 + strike)) for strike in range(size)]
        broker.orders = [order(str(number)) for number in range(size)]
        run_sync(account.pk)
        with CaptureQueriesContext(connection) as captured:
            assert run_sync(account.pk).outcome == SyncRun.Outcome.SUCCEEDED
        return len([q for q in captured if "SAVEPOINT" not in q["sql"]])

    few, many = queries(3), queries(120)

    assert few == many
    assert many <= 30


@pytest.mark.django_db
def test_ids_of_positions_stay_and_versions_rise_by_one(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = [position(stock(), 5), position(option(), 1)]
    run_sync(account.pk)
    before = dict(Position.objects.values_list("symbol", "pk"))
    broker.positions = [
        position(option(), 2),
        position(stock("QQQ"), 1),
        position(stock(), 6),
        position(stock(), 7, sub_key="model-1"),
    ]

    run_sync(account.pk)

    rows = Position.objects.filter(sub_key="")
    assert {symbol: pk for symbol, pk in rows.values_list("symbol", "pk") if symbol in before} == (
        before
    )
    assert Position.objects.get(sub_key="model-1").quantity == Decimal(7)
    account.refresh_from_db()
    assert account.book_version == 2
