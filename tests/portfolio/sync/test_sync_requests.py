from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from config.core.clock import now
from config.core.errors import NotFound
from portfolio.models import Account, SyncRun
from portfolio.sync import requests
from portfolio.sync.requests import (
    claim_due_accounts,
    close_abandoned_runs,
    request_sync,
)
from tests.factories import AccountFactory

REQUEST = SyncRun.Trigger.REQUEST


@pytest.fixture
def account() -> Account:
    return AccountFactory.create()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Accounts for which a worker was asked; nothing goes to a queue."""
    names: list[str] = []

    def enqueue(_: str, arguments: dict[str, str], **__: Any) -> None:
        names.append(arguments["account_id"])

    monkeypatch.setattr(requests, "enqueue", enqueue)
    return names


@pytest.mark.django_db(transaction=True)
def test_asking_twice_waits_for_the_same_run(account: Account, asked: list[str]) -> None:
    (first,) = request_sync(account_ids=[account.pk], trigger=REQUEST)
    (second,) = request_sync(account_ids=[account.pk], trigger=SyncRun.Trigger.STALE)

    assert first.pk == second.pk
    assert first.outcome == SyncRun.Outcome.RUNNING
    assert first.started_at is None
    assert asked == [account.pk]
    account.refresh_from_db()
    assert account.next_sync_at is not None
    assert account.next_sync_at <= now()


@pytest.mark.django_db(transaction=True)
def test_run_under_way_answers_a_request(account: Account, asked: list[str]) -> None:
    running = SyncRun.objects.create(
        account=account, trigger=REQUEST, requested_at=now(), started_at=now()
    )

    assert [run.pk for run in request_sync(account_ids=[account.pk], trigger=REQUEST)] == [
        running.pk
    ]
    assert asked == []


@pytest.mark.django_db(transaction=True)
def test_run_of_a_dead_worker_answers_no_request(account: Account, asked: list[str]) -> None:
    long_ago = now() - timedelta(minutes=10)
    dead = SyncRun.objects.create(
        account=account, trigger=REQUEST, requested_at=long_ago, started_at=long_ago
    )

    (run,) = request_sync(account_ids=[account.pk], trigger=REQUEST)

    assert run.pk != dead.pk
    assert asked == [account.pk]


@pytest.mark.django_db
def test_unknown_or_disabled_account_is_not_found_and_nothing_is_queued(account: Account) -> None:
    disabled = AccountFactory.create(enabled=False)
    for name in ("nobody", disabled.pk):
        with pytest.raises(NotFound):
            request_sync(account_ids=[account.pk, name], trigger=REQUEST)
    assert SyncRun.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_requests_at_the_same_moment_queue_one_run(account: Account, asked: list[str]) -> None:
    together = threading.Barrier(4)

    def ask(_: int) -> Any:
        try:
            together.wait(5)
            return request_sync(account_ids=[account.pk], trigger=REQUEST)[0].pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        runs = set(pool.map(ask, range(4)))

    assert len(runs) == 1
    assert asked == [account.pk]


@pytest.mark.django_db
def test_due_account_is_claimed_once_a_slot(account: Account) -> None:
    assert claim_due_accounts() == [account.pk]
    assert claim_due_accounts() == []
    account.refresh_from_db()
    assert account.next_sync_at is not None
    assert timedelta(0) < account.next_sync_at - now() <= timedelta(seconds=30)


@pytest.mark.django_db(transaction=True)
def test_two_clocks_give_one_run_a_slot(account: Account) -> None:
    AccountFactory.create_batch(5)
    together = threading.Barrier(4)

    def look(_: int) -> list[str]:
        try:
            together.wait(5)
            return claim_due_accounts()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        claimed = [name for names in pool.map(look, range(4)) for name in names]

    assert sorted(claimed) == sorted(Account.objects.values_list("pk", flat=True))


@pytest.mark.django_db
def test_slots_keep_their_rhythm_and_missed_ones_are_not_made_up(account: Account) -> None:
    slot = now() - timedelta(seconds=4)
    Account.objects.update(next_sync_at=slot)
    assert claim_due_accounts() == [account.pk]
    account.refresh_from_db()
    assert account.next_sync_at == slot + timedelta(seconds=30)

    Account.objects.update(next_sync_at=now() - timedelta(hours=3))
    assert claim_due_accounts() == [account.pk]
    assert claim_due_accounts() == []


@pytest.mark.django_db
def test_slot_written_by_a_clock_that_ran_ahead_counts_as_due(account: Account) -> None:
    Account.objects.update(next_sync_at=now() + timedelta(hours=1))

    assert claim_due_accounts() == [account.pk]


@pytest.mark.django_db
def test_disabled_accounts_and_on_demand_mode_have_no_slots(
    account: Account, settings: Any
) -> None:
    settings.USE_PERSISTENT_CACHE = False
    assert claim_due_accounts() == []
    settings.USE_PERSISTENT_CACHE = True
    Account.objects.update(enabled=False)
    assert claim_due_accounts() == []


@pytest.mark.django_db
def test_abandoned_runs_are_closed_and_live_ones_are_not(account: Account) -> None:
    def run(**ages: float) -> SyncRun:
        moments = {name: now() - timedelta(seconds=age) for name, age in ages.items()}
        return SyncRun.objects.create(account=account, trigger=REQUEST, **moments)

    lost = run(requested_at=300, started_at=200)
    untaken = run(requested_at=700)
    alive = run(requested_at=700, started_at=20)
    waiting = run(requested_at=20)

    assert close_abandoned_runs() == 2
    found = dict(SyncRun.objects.values_list("pk", "error_code"))
    assert found == {
        lost.pk: "worker_lost",
        untaken.pk: "no_worker",
        alive.pk: "",
        waiting.pk: "",
    }
