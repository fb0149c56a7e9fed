from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from redis.exceptions import RedisError

from config.core.clock import now
from config.core.errors import RateLimitedError, RetryableError
from greeks.domain import Contract, Snapshot
from greeks.models import ContractGreeks
from portfolio.brokers.base import BrokerAdapter
from portfolio.models import Account, Position, Quote, SyncRun
from portfolio.refresh import run as refresh
from portfolio.refresh.run import refresh_greeks, request_refresh
from tests.factories import AccountFactory
from tests.portfolio.books import (
    FakeAdapter,
    FakeBroker,
    greeks,
    option,
    position,
    quote,
    stock,
)

pytestmark = pytest.mark.any_database

RunSync = Callable[[str], SyncRun]
CALL = option(600)


@pytest.fixture
def account(broker: FakeBroker, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch) -> Account:
    """A synced account of one stock and one option, last synced a minute ago."""

    def open_adapter(_: str) -> BrokerAdapter:
        return FakeAdapter(broker)

    monkeypatch.setattr(refresh, "open_adapter", open_adapter)
    account: Account = AccountFactory.create()
    broker.positions = [position(stock(), 50, raw={"a": 1}), position(CALL, -2)]
    run_sync(account.pk)
    Account.objects.update(last_synced_at=now() - timedelta(minutes=1))
    account.refresh_from_db()
    broker.calls.clear()
    return account


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Accounts whose refresh a worker was asked for; nothing goes to a queue."""
    names: list[str] = []

    def enqueue(_: str, arguments: dict[str, str], **__: Any) -> None:
        names.append(arguments["account_id"])

    monkeypatch.setattr(refresh, "enqueue", enqueue)
    return names


def moved(contract: Contract) -> Snapshot:
    price = Decimal(14) if contract.is_option else Decimal(610)
    return Snapshot(
        contract=contract,
        quote=quote(contract, mark=price),
        greeks=greeks(contract, delta=0.7, underlying_price=610.0) if contract.is_option else None,
    )


@pytest.mark.django_db
def test_refresh_moves_prices_and_greeks_and_nothing_else(
    account: Account, broker: FakeBroker
) -> None:
    before = {row.symbol: row for row in Position.objects.all()}
    broker.snapshot = moved

    done = refresh_greeks(account_ids=[account.pk])

    assert done == {}
    after = {row.symbol: row for row in Position.objects.all()}
    leg = after[CALL.symbol]
    assert (leg.delta_raw, leg.price, leg.market_value) == (0.7, Decimal(14), Decimal(-2800))
    assert leg.unrealized_pnl == Decimal(-800)
    assert leg.daily_change == Decimal(-600)
    assert after["SPY"].market_value == Decimal(30500)
    assert {name: row.pk for name, row in after.items()} == {
        name: row.pk for name, row in before.items()
    }
    assert after["SPY"].raw_json == {"a": 1}
    assert after["SPY"].quantity == 50
    assert Quote.objects.get(symbol=CALL.symbol).price == Decimal(14)
    assert ContractGreeks.objects.get().delta_raw == 0.7
    version, synced = account.book_version, account.last_synced_at
    account.refresh_from_db()
    assert (account.book_version, account.last_synced_at) == (version + 1, synced)
    assert broker.calls == ["snapshots"]


@pytest.mark.django_db
def test_provider_that_is_down_leaves_the_last_values_with_their_age(
    account: Account, broker: FakeBroker
) -> None:
    before = list(Position.objects.order_by("pk").values())
    broker.snapshot = RetryableError("IBKR did not answer.")

    done = refresh_greeks(account_ids=[account.pk])

    assert done == {account.pk: "provider_unreachable"}
    assert list(Position.objects.order_by("pk").values()) == before
    version = account.book_version
    account.refresh_from_db()
    assert account.book_version == version


@pytest.mark.django_db
def test_position_closed_during_a_refresh_does_not_come_back(
    account: Account, broker: FakeBroker
) -> None:
    broker.snapshot = moved
    broker.before = lambda _: Position.objects.filter(symbol=CALL.symbol).delete()

    refresh_greeks(account_ids=[account.pk])

    assert list(Position.objects.values_list("symbol", flat=True)) == ["SPY"]


@pytest.mark.django_db
def test_budget_bounds_the_refreshes_of_all_processes(
    account: Account, broker: FakeBroker, settings: Any
) -> None:
    settings.GREEKS_CALLS_PER_MINUTE = 2
    broker.snapshot = moved
    refresh_greeks(account_ids=[account.pk])
    refresh_greeks(account_ids=[account.pk])

    with pytest.raises(RateLimitedError) as caught:
        refresh_greeks(account_ids=[account.pk])

    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 60
    assert broker.calls == ["snapshots"] * 2


@pytest.mark.django_db
def test_many_reads_ask_for_one_refresh(account: Account, asked: list[str]) -> None:
    answers = []
    for _ in range(5):
        # As if each read ran in a process of its own.
        refresh._looked_until.forget()
        answers.append(request_refresh(account_ids=[account.pk]))

    assert answers == [True, False, False, False, False]
    assert asked == [account.pk]


@pytest.mark.django_db
def test_greeks_of_a_recent_sync_are_not_asked_for_again(
    account: Account, asked: list[str]
) -> None:
    Account.objects.update(last_synced_at=now() - timedelta(seconds=5))

    assert request_refresh(account_ids=[account.pk]) is False
    assert asked == []


@pytest.mark.django_db
def test_reads_of_one_process_mostly_cost_no_query(
    account: Account, asked: list[str], django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        for _ in range(50):
            request_refresh(account_ids=[account.pk])


@pytest.mark.django_db
def test_nothing_is_asked_for_while_redis_is_away(
    account: Account, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_redis() -> Any:
        raise RedisError("gone")

    monkeypatch.setattr(refresh, "redis_client", no_redis)

    assert request_refresh(account_ids=[account.pk]) is False


@pytest.mark.django_db(transaction=True)
def test_several_accounts_are_refreshed_at_the_same_time(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    other: Account = AccountFactory.create()
    run_sync(other.pk)
    together = threading.Barrier(2, timeout=5)
    broker.before = lambda _: together.wait()
    broker.snapshot = moved

    done = refresh_greeks(account_ids=[account.pk, other.pk])

    assert done == {}
    assert set(Position.objects.filter(symbol=CALL.symbol).values_list("delta_raw", flat=True)) == {
        0.7
    }
