"""An empty book out of nowhere is unconfirmed until a second complete answer agrees."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from config.core.errors import RetryableError
from portfolio.models import Account, AccountStatus, Position, SyncRun
from tests.factories import AccountFactory
from tests.portfolio.books import (
    EMPTY_SUMMARY,
    FakeBroker,
    option,
    position,
    rejected,
    stock,
)

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
RunSync = Callable[[str], SyncRun]
UNCONFIRMED, SUCCEEDED = SyncRun.Outcome.UNCONFIRMED, SyncRun.Outcome.SUCCEEDED
PARTIAL = SyncRun.Outcome.PARTIAL


@pytest.fixture
def account(broker: FakeBroker, run_sync: RunSync) -> Account:
    """An account whose good book of one stock and one option is stored."""
    account: Account = AccountFactory.create()
    broker.positions = [position(stock(), 50), position(option(), -2)]
    run_sync(account.pk)
    broker.positions = []
    return account


def test_empty_answer_with_the_old_money_never_empties_the_book(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    outcomes = [run_sync(account.pk).outcome for _ in range(4)]

    assert outcomes == [UNCONFIRMED] * 4
    assert Position.objects.count() == 2
    account.refresh_from_db()
    assert account.empty_book_since is not None
    assert account.last_error_code == "empty_book_unconfirmed"
    assert account.book_version == 1


def test_second_answer_whose_money_agrees_empties_the_book(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.summary = EMPTY_SUMMARY

    first = run_sync(account.pk)
    assert (first.outcome, Position.objects.count()) == (UNCONFIRMED, 2)
    assert AccountStatus.objects.get().cash == Decimal(40_000)
    second = run_sync(account.pk)

    assert (second.outcome, Position.objects.count()) == (SUCCEEDED, 0)
    account.refresh_from_db()
    assert account.empty_book_since is None
    assert account.last_error_code == ""
    assert AccountStatus.objects.get().cash == Decimal(100_000)


def test_two_empty_answers_with_different_cash_do_not_agree(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.summary = EMPTY_SUMMARY
    run_sync(account.pk)
    broker.summary = EMPTY_SUMMARY | {"cash": Decimal(90_000), "net_liquidation": Decimal(90_000)}

    assert run_sync(account.pk).outcome == UNCONFIRMED
    assert Position.objects.count() == 2


def test_failure_between_the_two_answers_does_not_count(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.summary = EMPTY_SUMMARY
    run_sync(account.pk)
    broker.positions = RetryableError("IBKR did not answer.")
    run_sync(account.pk)
    broker.positions = []

    assert run_sync(account.pk).outcome == SUCCEEDED


def test_empty_answer_without_summary_confirms_nothing(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.summary = EMPTY_SUMMARY
    run_sync(account.pk)
    broker.summary = RetryableError("IBKR did not answer.")

    assert run_sync(account.pk).outcome == UNCONFIRMED
    assert Position.objects.count() == 2


def test_positions_that_come_back_clear_the_doubt(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    ids = set(Position.objects.values_list("pk", flat=True))
    run_sync(account.pk)
    broker.positions = [position(stock(), 50), position(option(), -2)]

    run_sync(account.pk)

    account.refresh_from_db()
    assert account.empty_book_since is None
    assert set(Position.objects.values_list("pk", flat=True)) == ids


def test_every_position_said_to_be_nought_is_believed_at_once(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = [position(stock(), 0), position(option(), 0)]

    assert run_sync(account.pk).outcome == SUCCEEDED
    assert Position.objects.count() == 0


def test_only_refused_rows_are_no_empty_book(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.bad_positions = [rejected(reason="conid: missing")]

    assert run_sync(account.pk).outcome == PARTIAL
    assert Position.objects.count() == 2


def test_first_ever_empty_book_is_true_when_the_money_says_so(
    broker: FakeBroker, run_sync: RunSync
) -> None:
    account: Account = AccountFactory.create()
    broker.positions = []
    broker.summary = EMPTY_SUMMARY

    assert run_sync(account.pk).outcome == SUCCEEDED
    account.refresh_from_db()
    assert account.last_synced_at is not None


def test_first_ever_empty_book_against_the_money_is_unconfirmed(
    broker: FakeBroker, run_sync: RunSync
) -> None:
    account: Account = AccountFactory.create()
    broker.positions = []

    assert run_sync(account.pk).outcome == UNCONFIRMED
    account.refresh_from_db()
    assert account.last_synced_at is None
    assert account.empty_book_since is not None


def test_confirmed_empty_book_stays_empty_without_doubt(
    broker: FakeBroker, run_sync: RunSync
) -> None:
    account: Account = AccountFactory.create()
    broker.positions = []
    broker.summary = EMPTY_SUMMARY

    assert [run_sync(account.pk).outcome for _ in range(3)] == [SUCCEEDED] * 3
