from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from config.core.errors import RetryableError
from portfolio.models import Account, Position, SyncRun
from portfolio.sync.on_demand import sync_now_for_read
from tests.factories import AccountFactory
from tests.portfolio.books import FakeBroker, position, stock

RunSync = Callable[[str], SyncRun]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def test_read_fetches_every_account_at_the_same_time(broker: FakeBroker) -> None:
    accounts = [AccountFactory.create().pk for _ in range(3)]
    together = threading.Barrier(3, timeout=5)
    broker.positions = [position(stock(), 5)]
    broker.before = lambda step: together.wait() if step == "positions" else None

    assert sync_now_for_read(account_ids=accounts) == accounts
    assert Position.objects.count() == 3


def test_broker_that_is_down_leaves_the_last_book_to_the_read(
    broker: FakeBroker, run_sync: RunSync
) -> None:
    account: Account = AccountFactory.create()
    broker.positions = [position(stock(), 5)]
    run_sync(account.pk)
    broker.positions = RetryableError("IBKR did not answer.")

    assert sync_now_for_read(account_ids=[account.pk]) == []
    assert Position.objects.get().quantity == 5


def test_reader_waits_for_a_sync_that_is_under_way(broker: FakeBroker, run_sync: RunSync) -> None:
    account: Account = AccountFactory.create()
    broker.positions = [position(stock(), 5)]
    inside, go_on = threading.Event(), threading.Event()

    def hold(step: str) -> None:
        if step == "orders":
            inside.set()
            go_on.wait(5)

    broker.before = hold

    def syncing() -> None:
        try:
            run_sync(account.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(syncing)
        inside.wait(5)
        threading.Timer(0.1, go_on.set).start()
        assert sync_now_for_read(account_ids=[account.pk]) == [account.pk]
        first.result(5)

    assert broker.calls.count("positions") == 1


def test_passed_deadline_answers_what_is_stored(broker: FakeBroker) -> None:
    accounts = [AccountFactory.create().pk for _ in range(2)]
    released = threading.Event()
    done = threading.Semaphore(0)
    broker.positions = [position(stock(), 5)]

    def hold(step: str) -> None:
        if step == "positions":
            released.wait(5)

    broker.before = hold
    try:
        assert sync_now_for_read(account_ids=accounts, seconds=0.2) == []
        assert Position.objects.count() == 0
    finally:
        released.set()
        for thread in threading.enumerate():
            if thread.name.startswith("accounts"):
                thread.join(5)
        done.release()


def test_no_accounts_need_no_broker(broker: FakeBroker) -> None:
    assert sync_now_for_read(account_ids=[]) == []
    assert broker.opened == 0
