"""Accounts are revalued from the store alone, in the order of sources, and never backwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import LazySettings
from django.db.models import F

from config.core.clock import market_now
from greeks.domain import Contract, Snapshot
from greeks.models import ContractGreeks
from greeks.providers.streamed_values import store_streamed
from portfolio.models import Account, Position, Quote, SyncRun
from portfolio.refresh.streamed import refresh_streamed
from tests.announcements import Announcements
from tests.factories import AccountFactory
from tests.portfolio.books import FakeBroker, greeks, option, position, quote, stock

pytestmark = pytest.mark.django_db
CALL = option(600)
PUT = option(590, underlying="QQQ")


@pytest.fixture
def account(broker: FakeBroker, run_sync: Callable[[str], SyncRun]) -> Account:
    """An IBKR account of one stock and one option, synced a moment ago."""
    found: Account = AccountFactory.create()
    broker.positions = [position(stock(), 50, raw={"a": 1}), position(CALL, -2)]
    run_sync(found.pk)
    found.refresh_from_db()
    broker.calls.clear()
    return found


def streamed(contract: Contract, *, source: str = "ibkr", **changes: Any) -> None:
    """A move of the contract: its price up, and of an option its delta."""
    price = Decimal(14) if contract.is_option else Decimal(610)
    values = {"bid": price - 1, "ask": price + 1, "mark": None, "source": source}
    found = quote(contract, **(values | changes.pop("quote", {})))
    fresh = changes.pop("greeks", {"delta": 0.7})
    numbers = greeks(contract, source=source, **fresh) if contract.is_option and fresh else None
    assert store_streamed(source, [Snapshot(contract=contract, quote=found, greeks=numbers)]) == 1


def leg() -> Position:
    return Position.objects.get(symbol=CALL.symbol)


def age_the_book(**ages: Any) -> None:
    Position.objects.update(**{name: F(name) - timedelta(seconds=s) for name, s in ages.items()})


def test_streamed_values_move_the_book_and_no_broker_is_asked(
    account: Account, broker: FakeBroker
) -> None:
    streamed(CALL)
    streamed(stock())

    assert refresh_streamed(account_ids=[account.pk]) == {account.pk}

    row = leg()
    assert (row.price, row.market_value, row.delta_raw) == (Decimal(14), Decimal(-2800), 0.7)
    assert row.quantity == -2
    share = Position.objects.get(symbol="SPY")
    assert (share.market_value, share.raw_json) == (Decimal(30500), {"a": 1})
    # Prices are stored by the stream, whether or not a book can be revalued.
    assert Quote.objects.get(symbol=CALL.symbol).price == Decimal(12)
    assert ContractGreeks.objects.get().delta_raw == 0.7
    version, synced = account.book_version, account.last_synced_at
    account.refresh_from_db()
    assert (account.book_version, account.last_synced_at) == (version + 1, synced)
    assert broker.calls == []


@pytest.mark.django_db(transaction=True)
def test_new_version_is_announced(account: Account) -> None:
    streamed(CALL)
    heard = Announcements()
    refresh_streamed(account_ids=[account.pk])
    message = {
        "type": "account.changed",
        "account_id": account.pk,
        "version": account.book_version + 1,
        # What is held is the same: whoever follows that need not look.
        "prices_only": True,
    }
    assert heard.received() == [(f"portfolio.account.{account.pk}", message)]
    heard.close()


def test_same_values_again_make_no_new_version(account: Account) -> None:
    streamed(CALL)
    refresh_streamed(account_ids=[account.pk])
    version = Account.objects.get().book_version

    assert refresh_streamed(account_ids=[account.pk]) == frozenset()
    assert Account.objects.get().book_version == version


def test_value_older_than_the_stored_one_is_not_written(account: Account) -> None:
    old = market_now() - timedelta(seconds=30)
    streamed(CALL, quote={"as_of": old}, greeks={"delta": 0.7, "as_of": old})

    assert refresh_streamed(account_ids=[account.pk]) == frozenset()
    assert leg().delta_raw == 0.5


def test_fresh_greeks_of_the_own_broker_are_kept_and_the_newer_price_is_taken(
    account: Account,
) -> None:
    streamed(CALL, source="tastytrade")

    assert refresh_streamed(account_ids=[account.pk]) == {account.pk}

    row = leg()
    assert (row.price, row.price_source) == (Decimal(14), "tastytrade")
    assert (row.delta_raw, row.greeks_source) == (0.5, "ibkr")


def test_greeks_of_the_own_broker_that_grew_old_are_replaced(
    account: Account, settings: LazySettings
) -> None:
    age_the_book(greeks_as_of=settings.STALE_AFTER_SECONDS + 1)
    streamed(CALL, source="tastytrade")

    refresh_streamed(account_ids=[account.pk])

    assert (leg().delta_raw, leg().greeks_source) == (0.7, "tastytrade")


def test_own_stream_is_asked_before_another(account: Account) -> None:
    streamed(CALL, source="tastytrade", greeks={"delta": 0.9})
    streamed(CALL, source="ibkr", greeks={"delta": 0.7})

    refresh_streamed(account_ids=[account.pk])

    assert (leg().delta_raw, leg().greeks_source) == (0.7, "ibkr")


def test_greeks_that_cannot_be_true_are_set_aside(account: Account) -> None:
    streamed(CALL, greeks={"delta": 7.0})

    refresh_streamed(account_ids=[account.pk])

    assert (leg().price, leg().delta_raw) == (Decimal(14), 0.5)


def test_change_of_the_day_is_known_though_the_stream_does_not_say_the_open(
    account: Account,
) -> None:
    silent = ("opening_price", "previous_close", "volume", "open_interest")
    streamed(CALL, quote=dict.fromkeys(silent))

    refresh_streamed(account_ids=[account.pk])

    assert leg().price == Decimal(14)
    assert leg().daily_change is not None


def test_contract_of_another_account_is_not_touched(account: Account) -> None:
    streamed(PUT)

    assert refresh_streamed(account_ids=[account.pk]) == frozenset()
    assert leg().delta_raw == 0.5


def test_closed_position_does_not_come_back(account: Account) -> None:
    Position.objects.filter(symbol=CALL.symbol).delete()
    streamed(CALL)
    streamed(stock())

    refresh_streamed(account_ids=[account.pk])

    assert list(Position.objects.values_list("symbol", flat=True)) == ["SPY"]


@pytest.mark.parametrize("change", [{"enabled": False}, {"pk": "DU404"}])
def test_account_that_is_gone_is_no_fault(account: Account, change: dict[str, Any]) -> None:
    streamed(CALL)
    if "pk" not in change:
        Account.objects.update(**change)

    assert refresh_streamed(account_ids=[change.get("pk", account.pk)]) == frozenset()


def test_lost_redis_leaves_the_last_values_with_their_age(
    account: Account, settings: LazySettings
) -> None:
    streamed(CALL)
    before = list(Position.objects.order_by("pk").values())
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    assert refresh_streamed(account_ids=[account.pk]) == frozenset()
    assert list(Position.objects.order_by("pk").values()) == before


def test_stream_that_died_leaves_the_last_values_with_their_age(
    account: Account, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed(CALL)
    refresh_streamed(account_ids=[account.pk])
    moved_at = leg().greeks_as_of
    settings.STALE_AFTER_SECONDS = -1

    assert refresh_streamed(account_ids=[account.pk]) == frozenset()
    assert (leg().delta_raw, leg().greeks_as_of) == (0.7, moved_at)
