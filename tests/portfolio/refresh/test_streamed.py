"""Asking for the accounts that streamed values move: each now and then, the last move included."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import LazySettings

from config.core.redis.process_copies import forget_process_copies
from portfolio.models import Account
from portfolio.refresh import streamed_values
from portfolio.refresh.streamed_values import request_streamed_refresh
from tests.factories import AccountFactory, OptionFactory, PositionFactory

pytestmark = pytest.mark.django_db
Asked = list[tuple[str, float]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Collect the tasks requested; nothing goes to a queue."""
    found: Asked = []

    def enqueue(_: str, arguments: dict[str, str], *, countdown: float, **__: Any) -> None:
        found.append((arguments["account_id"], countdown))

    monkeypatch.setattr(streamed_values, "enqueue", enqueue)
    return found


@pytest.fixture
def account() -> Account:
    """An account that holds ``option:held``."""
    found: Account = AccountFactory.create(account_id="DU1")
    PositionFactory.create(account=found, instrument=OptionFactory.create(key="option:held"))
    return found


def test_first_move_is_asked_for_at_once(account: Account, asked: Asked) -> None:
    assert request_streamed_refresh(["option:held", "option:other"]) == 1
    assert asked == [("DU1", 0.0)]


def test_moves_of_the_next_seconds_become_one_more_refresh_when_it_is_time(
    account: Account, asked: Asked, settings: LazySettings
) -> None:
    settings.STREAM_REFRESH_SECONDS = 5.0
    for _ in range(6):
        # As if each stream ran in a process of its own.
        forget_process_copies()
        streamed_values.holders.cache_clear()
        request_streamed_refresh(["option:held"])

    assert [name for name, _ in asked] == ["DU1", "DU1"]
    assert asked[0][1] == 0.0
    assert 4.0 < asked[1][1] <= 5.0


def test_move_after_the_pause_is_asked_for_at_once(
    account: Account, asked: Asked, settings: LazySettings
) -> None:
    settings.STREAM_REFRESH_SECONDS = 0.001
    request_streamed_refresh(["option:held"])
    while len(asked) < 3:
        request_streamed_refresh(["option:held"])

    assert all(wait <= 0.001 for _, wait in asked)


def test_contract_that_nobody_holds_asks_for_nothing(account: Account, asked: Asked) -> None:
    assert request_streamed_refresh(["option:other"]) == 0
    assert asked == []


def test_disabled_account_is_left_alone(account: Account, asked: Asked) -> None:
    Account.objects.update(enabled=False)

    assert request_streamed_refresh(["option:held"]) == 0
    assert asked == []


def test_every_holder_is_asked_for(account: Account, asked: Asked) -> None:
    other = AccountFactory.create(account_id="DU2")
    PositionFactory.create(account=other, instrument=account.positions.get().instrument)
    PositionFactory.create(
        account=AccountFactory.create(account_id="DU3"),
        instrument=OptionFactory.create(key="option:third"),
    )

    assert request_streamed_refresh(["option:held"]) == 2
    assert asked == [("DU1", 0.0), ("DU2", 0.0)]


def test_book_is_read_once_in_a_while(
    account: Account, asked: Asked, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        for _ in range(20):
            request_streamed_refresh(["option:held"])


def test_nothing_is_asked_for_while_redis_is_away(
    account: Account, asked: Asked, settings: LazySettings
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    assert request_streamed_refresh(["option:held"]) == 0
    assert asked == []
