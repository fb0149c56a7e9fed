from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from config.core.clock import now
from config.core.errors import NotFound
from portfolio.models import Account, AccountAccess, SyncRun
from portfolio.sync.by_user import run_body, run_for_user, running_runs, runs_visible_to
from portfolio.sync.shapes import Fault
from tests.factories import AccountFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return AccountFactory.create()


@pytest.fixture
def stranger() -> User:
    return UserFactory.create()


def run_of(account: Account, age: float = 0, **values: Any) -> SyncRun:
    requested_at = now() - timedelta(seconds=age)
    return SyncRun.objects.create(
        account=account, trigger="request", requested_at=requested_at, **values
    )


def test_owner_and_sharer_see_a_run_and_nobody_else_does(account: Account, stranger: User) -> None:
    run = run_of(account)
    assert run_for_user(account.owner, run.pk) == run
    for reader in (stranger, AnonymousUser()):
        with pytest.raises(NotFound):
            run_for_user(reader, run.pk)
        assert list(runs_visible_to(reader)) == []
    AccountAccess.objects.create(user=stranger, account=account)
    assert run_for_user(stranger, run.pk) == run


def test_unknown_run_is_not_found(account: Account) -> None:
    with pytest.raises(NotFound):
        run_for_user(account.owner, uuid4())


def test_running_runs_are_those_that_wait_or_are_under_way_oldest_first(
    account: Account, django_assert_num_queries: Any
) -> None:
    second: Account = AccountFactory.create(owner=account.owner)
    foreign: Account = AccountFactory.create()
    waiting = run_of(account, age=1)
    under_way = run_of(second, age=5, started_at=now())
    run_of(account, outcome=SyncRun.Outcome.FAILED)
    run_of(foreign)

    with django_assert_num_queries(1):
        assert running_runs(account.owner) == [under_way, waiting]


def test_body_of_a_run_tells_its_error_only_when_there_is_one(account: Account) -> None:
    assert run_body(run_of(account)).error is None
    failed = run_of(account, outcome="failed", error_code="worker_lost", error="It died.")
    body = run_body(failed)
    assert body.error == Fault(code="worker_lost", message="It died.")
    assert body.id == str(failed.pk)
