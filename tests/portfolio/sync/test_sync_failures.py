"""What fails at the broker ends in the run; the last good book stays."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from config.core.errors import (
    ForbiddenError,
    MalformedResponse,
    ProviderError,
    RetryableError,
    UnauthorisedError,
)
from portfolio.models import Account, AccountHistory, AccountStatus, Order, Position, SyncRun
from tests.factories import AccountFactory
from tests.portfolio.books import FakeBroker, option, order, position, stock

pytestmark = pytest.mark.django_db
RunSync = Callable[[str], SyncRun]


@pytest.fixture
def account() -> Account:
    return AccountFactory.create()


@pytest.fixture
def good_book(account: Account, broker: FakeBroker, run_sync: RunSync) -> FakeBroker:
    broker.positions = [position(stock(), 50), position(option(), -2)]
    broker.orders = [order("1")]
    assert run_sync(account.pk).outcome == SyncRun.Outcome.SUCCEEDED
    account.refresh_from_db()
    return broker


def book_of(account: Account) -> list[tuple[int, str, Decimal]]:
    return list(
        Position.objects.filter(account=account)
        .order_by("pk")
        .values_list("pk", "symbol", "quantity")
    )


@pytest.mark.parametrize(
    "error",
    [
        RetryableError("IBKR did not answer."),
        MalformedResponse("IBKR sent a page."),
        UnauthorisedError("IBKR refused the log-in."),
    ],
)
def test_failed_positions_leave_the_last_book(
    account: Account, good_book: FakeBroker, run_sync: RunSync, error: ProviderError
) -> None:
    before, synced = book_of(account), account.last_synced_at
    good_book.positions = error
    good_book.summary = {"net_liquidation": Decimal(1)}

    run = run_sync(account.pk)

    assert run.outcome == SyncRun.Outcome.FAILED
    assert run.error_code == error.code
    assert error.message in run.error
    assert run.finished_at is not None
    assert book_of(account) == before
    account.refresh_from_db()
    assert (account.book_version, account.last_synced_at) == (1, synced)
    assert account.last_error_code == error.code
    assert AccountStatus.objects.get().net_liquidation == Decimal(100_000)
    assert AccountHistory.objects.count() == 1


def test_forbidden_ends_the_calls_at_once(
    account: Account, good_book: FakeBroker, run_sync: RunSync
) -> None:
    good_book.summary = ForbiddenError("IBKR forbids this log-in.")
    good_book.calls.clear()

    run = run_sync(account.pk)

    assert (run.outcome, run.error_code) == (SyncRun.Outcome.FAILED, "provider_forbidden")
    assert good_book.calls == ["summary"]


def test_failed_orders_leave_the_orders_and_write_the_positions(
    account: Account, good_book: FakeBroker, run_sync: RunSync
) -> None:
    good_book.orders = RetryableError("IBKR did not answer.")
    good_book.positions = [position(stock(), 60)]

    run = run_sync(account.pk)

    assert run.outcome == SyncRun.Outcome.PARTIAL
    assert run.counts["failed_steps"] == ["orders"]
    assert "Orders: IBKR did not answer." in run.error
    assert [row[1:] for row in book_of(account)] == [("SPY", Decimal(60))]
    assert Order.objects.count() == 1
    account.refresh_from_db()
    assert account.book_version == 2
    assert account.last_error_code == "provider_unreachable"


def test_failed_summary_leaves_the_status_and_writes_the_positions(
    account: Account, good_book: FakeBroker, run_sync: RunSync
) -> None:
    good_book.summary = MalformedResponse("IBKR sent half a body.")
    good_book.positions = [position(stock(), 60)]

    run = run_sync(account.pk)

    assert run.outcome == SyncRun.Outcome.PARTIAL
    assert AccountStatus.objects.get().net_liquidation == Decimal(100_000)
    assert [row[1:] for row in book_of(account)] == [("SPY", Decimal(60))]


def test_next_good_sync_clears_the_error(
    account: Account, good_book: FakeBroker, run_sync: RunSync
) -> None:
    good = good_book.positions
    good_book.positions = RetryableError("IBKR did not answer.")
    run_sync(account.pk)
    good_book.positions = good

    run_sync(account.pk)

    account.refresh_from_db()
    assert (account.last_error_code, account.last_error) == ("", "")


def test_fault_of_ours_ends_as_internal_error_without_its_text(
    account: Account, good_book: FakeBroker, run_sync: RunSync
) -> None:
    good_book.positions = KeyError("token=secret")
    before = book_of(account)

    run = run_sync(account.pk)

    assert (run.outcome, run.error_code) == (SyncRun.Outcome.FAILED, "internal_error")
    assert "secret" not in run.error
    assert book_of(account) == before


def test_adapter_is_closed_whatever_happens(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = KeyError("fault")
    run_sync(account.pk)
    broker.positions = RetryableError("down")
    run_sync(account.pk)
    broker.positions = [position(stock())]
    run_sync(account.pk)

    assert broker.opened == broker.closed == 3


def test_one_accounts_failure_stops_no_other(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    other: Account = AccountFactory.create()
    broker.positions = [position(stock(), 5)]

    def fail_first(step: str) -> None:
        if broker.opened == 1 and step == "positions":
            raise RetryableError("IBKR did not answer.")

    broker.before = fail_first

    assert run_sync(account.pk).outcome == SyncRun.Outcome.FAILED
    assert run_sync(other.pk).outcome == SyncRun.Outcome.SUCCEEDED
    assert [row[1] for row in book_of(other)] == ["SPY"]


def test_message_longer_than_its_column_is_cut(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = RetryableError("no answer\x00\n" * 100)

    run = run_sync(account.pk)

    run.refresh_from_db()
    assert len(run.error) == 255
    assert run.error.isprintable()


def test_account_removed_during_its_sync_ends_quietly(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = [position(stock(), 5)]
    broker.before = lambda step: account.delete() if step == "orders" else None
    account_id = account.pk

    run = run_sync(account_id)

    assert run.outcome == SyncRun.Outcome.FAILED
    assert SyncRun.objects.count() == Position.objects.count() == 0
