from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from config.core.clock import now
from config.core.redis.locks import subject_lock
from greeks.domain import Contract
from portfolio.brokers.base import BrokerAdapter
from portfolio.models import Account, Position, SyncRun
from portfolio.refresh import run as refresh
from portfolio.refresh.run import request_refresh
from portfolio.sync import fetch as sync_fetch
from portfolio.sync import run as sync
from portfolio.sync.requests import request_sync
from portfolio.tasks import book as tasks
from tests.factories import AccountFactory
from tests.portfolio.books import FakeAdapter, FakeBroker, position, stock

Sent = list[tuple[str, dict[str, Any], float]]


@pytest.fixture
def account() -> Account:
    return AccountFactory.create()


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> FakeBroker:
    script = FakeBroker(positions=[position(stock(), 5)])

    def open_adapter(_: str) -> BrokerAdapter:
        return FakeAdapter(script)

    for module in (sync, sync_fetch, refresh):
        monkeypatch.setattr(module, "open_adapter", open_adapter)
    return script


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What was sent to the queue: task name, arguments, seconds until it expires."""
    messages: Sent = []

    def note(task: Any) -> Any:
        def apply_async(kwargs: dict[str, Any], expires: float, **_: Any) -> None:
            messages.append((task.name, kwargs, expires))

        return apply_async

    for task in (tasks.sync_account_task, tasks.refresh_greeks_task):
        monkeypatch.setattr(task, "apply_async", note(task))
    return messages


@pytest.mark.django_db
def test_due_accounts_are_sent_to_workers_once(account: Account, sent: Sent) -> None:
    tasks.sync_due_accounts_task()
    tasks.sync_due_accounts_task()

    assert sent == [("portfolio.sync_account", {"account_id": account.pk}, 30)]


@pytest.mark.django_db
def test_account_that_cannot_be_queued_keeps_no_other_from_its_worker(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    other: Account = AccountFactory.create()
    asked: list[str] = []

    def refuse_once(kwargs: dict[str, str], **_: Any) -> None:
        asked.append(kwargs["account_id"])
        if len(asked) == 1:
            raise OperationalError("no queue")

    monkeypatch.setattr(tasks.sync_account_task, "apply_async", refuse_once)

    tasks.sync_due_accounts_task()

    assert sorted(asked) == sorted([account.pk, other.pk])


@pytest.mark.django_db
def test_look_closes_what_dead_workers_left(account: Account, sent: Sent) -> None:
    long_ago = now() - timedelta(hours=1)
    run = SyncRun.objects.create(
        account=account, trigger="schedule", requested_at=long_ago, started_at=long_ago
    )

    tasks.sync_due_accounts_task()

    run.refresh_from_db()
    assert run.outcome == SyncRun.Outcome.FAILED


@pytest.mark.django_db
def test_task_syncs_its_account(account: Account, broker: FakeBroker) -> None:
    tasks.sync_account_task(account_id=account.pk)

    assert SyncRun.objects.get().outcome == SyncRun.Outcome.SUCCEEDED
    assert Position.objects.count() == 1


@pytest.mark.django_db
def test_task_leaves_an_account_that_is_being_synced_alone(
    account: Account, broker: FakeBroker
) -> None:
    with subject_lock(sync.sync_subject(account.pk), seconds=10):
        tasks.sync_account_task(account_id=account.pk)

    assert SyncRun.objects.count() == 0


@pytest.mark.django_db
def test_task_of_a_removed_account_ends_quietly(broker: FakeBroker) -> None:
    tasks.sync_account_task(account_id="gone")

    assert broker.opened == 0


@pytest.mark.django_db(transaction=True)
def test_request_is_sent_after_the_commit_and_done_under_its_run(
    account: Account, broker: FakeBroker, sent: Sent
) -> None:
    (run,) = request_sync(account_ids=[account.pk], trigger=SyncRun.Trigger.REQUEST)
    ((name, arguments, _),) = sent
    assert name == "portfolio.sync_account"

    tasks.sync_account_task(**arguments)

    run.refresh_from_db()
    assert (run.outcome, run.trigger) == (SyncRun.Outcome.SUCCEEDED, SyncRun.Trigger.REQUEST)
    account.refresh_from_db()
    assert account.next_sync_at is not None
    assert account.next_sync_at > now()


@pytest.mark.django_db(transaction=True)
def test_request_survives_a_queue_that_is_away(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(**_: Any) -> None:
        raise OperationalError("no queue")

    monkeypatch.setattr(tasks.sync_account_task, "apply_async", unreachable)

    (run,) = request_sync(account_ids=[account.pk], trigger=SyncRun.Trigger.REQUEST)

    # The clock finds the account due, and the next sync takes the waiting run.
    account.refresh_from_db()
    assert account.next_sync_at is not None
    assert account.next_sync_at <= now()
    assert run.outcome == SyncRun.Outcome.RUNNING


@pytest.mark.django_db
def test_reads_ask_for_a_refresh_that_the_task_does(
    account: Account, broker: FakeBroker, sent: Sent
) -> None:
    tasks.sync_account_task(account_id=account.pk)
    Account.objects.update(last_synced_at=now() - timedelta(minutes=2))

    assert request_refresh(account_ids=[account.pk]) is True
    ((name, arguments, _),) = sent
    assert (name, arguments) == ("portfolio.refresh_greeks", {"account_id": account.pk})
    tasks.refresh_greeks_task(**arguments)

    account.refresh_from_db()
    assert account.book_version == 2


@pytest.mark.django_db
def test_refresh_beyond_the_budget_is_put_off(
    account: Account, broker: FakeBroker, settings: Any
) -> None:
    settings.GREEKS_CALLS_PER_MINUTE = 1
    tasks.sync_account_task(account_id=account.pk)
    asked: list[Contract] = broker.asked
    tasks.refresh_greeks_task(account_id=account.pk)
    before = len(asked)

    tasks.refresh_greeks_task(account_id=account.pk)

    assert len(asked) == before


@pytest.mark.django_db
def test_queued_run_is_asked_for_again_while_another_sync_is_at_work(
    account: Account, broker: FakeBroker, sent: Sent
) -> None:
    run = SyncRun.objects.create(
        account=account, trigger=SyncRun.Trigger.REQUEST, requested_at=now()
    )
    with subject_lock(sync.sync_subject(account.pk), seconds=10):
        tasks.sync_account_task(account.pk, str(run.pk))
    run.refresh_from_db()
    assert run.started_at is None
    assert [(name, arguments) for name, arguments, _ in sent] == [
        ("portfolio.sync_account", {"account_id": account.pk, "run_id": str(run.pk)})
    ]


@pytest.mark.django_db
def test_slot_of_the_clock_is_left_to_the_sync_at_work(
    account: Account, broker: FakeBroker, sent: Sent
) -> None:
    with subject_lock(sync.sync_subject(account.pk), seconds=10):
        tasks.sync_account_task(account.pk)
    assert sent == []
