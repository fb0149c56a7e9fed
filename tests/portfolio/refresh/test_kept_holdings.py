"""Many accounts are revalued in one pass, from rows that are kept while their version stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from config.core.clock import market_now
from greeks.domain import Snapshot
from greeks.providers.streamed_values import store_streamed
from portfolio.models import Account, Position, SyncRun
from portfolio.refresh import holdings
from portfolio.refresh.holdings import in_batches
from portfolio.refresh.streamed import refresh_streamed
from tests.factories import AccountFactory
from tests.portfolio.books import FakeBroker, option, position, quote, stock

pytestmark = pytest.mark.django_db(transaction=True)
CALL = option(600)


@pytest.fixture
def accounts(broker: FakeBroker, run_sync: Callable[[str], SyncRun]) -> list[str]:
    broker.positions = [position(stock(), 50, raw={"a": 1}), position(CALL, -2)]
    made = [AccountFactory.create().pk for _ in range(3)]
    for pk in made:
        run_sync(pk)
    return made


@pytest.fixture
def later() -> Iterator[Callable[[int], None]]:
    with time_machine.travel(market_now(), tick=False) as clock:
        yield lambda seconds: clock.shift(timedelta(seconds=seconds))


def move(price: int, **changes: Any) -> None:
    values = {"bid": None, "ask": None, "mark": Decimal(price), "source": "ibkr"}
    moved = quote(stock(), **(values | changes))
    assert store_streamed("ibkr", [Snapshot(contract=stock(), quote=moved, greeks=None)])


def share(account_id: str) -> Position:
    return Position.objects.get(account=account_id, symbol=stock().symbol)


def statements_of(account_ids: list[str]) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        assert refresh_streamed(account_ids=account_ids) == set(account_ids)
    return [each["sql"] for each in queries]


def test_three_accounts_take_as_many_statements_as_one(
    accounts: list[str], later: Callable[[int], None]
) -> None:
    later(1)
    move(700)
    one = statements_of(accounts[:1])
    three = statements_of(accounts[1:])
    assert len(three) == len(one)
    assert {share(pk).price for pk in accounts} == {Decimal(700)}


def test_moved_price_reads_no_position_and_writes_only_what_it_changes(
    accounts: list[str], later: Callable[[int], None]
) -> None:
    for price in (700, 701):
        later(1)
        move(price)
        statements = statements_of(accounts)
    table = f'"{Position._meta.db_table}"'
    (written,) = (sql for sql in statements if table in sql)
    assert f"UPDATE {table} SET" in written
    assert "market_value" in written
    assert "quantity" not in written
    row = share(accounts[0])
    assert (row.price, row.market_value, row.raw_json) == (701, 701 * 50, {"a": 1})


def test_book_synced_meanwhile_is_read_again(
    accounts: list[str],
    broker: FakeBroker,
    run_sync: Callable[[str], SyncRun],
    later: Callable[[int], None],
) -> None:
    later(1)
    move(700)
    refresh_streamed(account_ids=accounts)
    broker.positions = [position(stock(), 80)]
    run_sync(accounts[0])
    later(1)
    move(702)
    refresh_streamed(account_ids=accounts)
    assert share(accounts[0]).market_value == 702 * 80
    assert share(accounts[1]).market_value == 702 * 50
    assert Position.objects.filter(account=accounts[0]).count() == 1


def test_write_that_failed_is_not_kept(
    accounts: list[str], later: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    later(1)
    move(700)
    with monkeypatch.context() as patch:
        patch.setattr("portfolio.refresh.streamed.update_positions", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            refresh_streamed(account_ids=accounts)
    assert refresh_streamed(account_ids=accounts) == set(accounts)
    assert share(accounts[0]).price == 700


def test_book_of_another_process_is_read_again(
    accounts: list[str], later: Callable[[int], None]
) -> None:
    later(1)
    move(700)
    refresh_streamed(account_ids=accounts)
    Position.objects.filter(account=accounts[0]).update(quantity=7)
    Account.objects.filter(pk=accounts[0]).update(book_version=F("book_version") + 1)
    later(1)
    move(701)
    refresh_streamed(account_ids=accounts)
    assert share(accounts[0]).market_value == 701 * 7


def test_open_of_an_earlier_session_is_no_open_of_today(
    accounts: list[str], later: Callable[[int], None]
) -> None:
    assert share(accounts[0]).opening_price is not None
    later(5 * 24 * 3600)
    move(700, opening_price=None, previous_close=Decimal(690))
    refresh_streamed(account_ids=accounts[:1])
    row = share(accounts[0])
    assert (row.opening_price, row.previous_close) == (None, 690)
    assert row.daily_change == (700 - 690) * 50


def test_account_with_more_rows_than_are_kept_is_revalued_all_the_same(
    accounts: list[str], later: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdings, "MOST_ROWS", 1)
    for price in (700, 701):
        later(1)
        move(price)
        refresh_streamed(account_ids=accounts)
    assert {share(pk).price for pk in accounts} == {Decimal(701)}


def test_large_account_is_a_batch_of_its_own(accounts: list[str]) -> None:
    refresh_streamed(account_ids=accounts)
    assert in_batches(accounts, most_rows=100) == [accounts]
    assert in_batches(accounts, most_rows=4) == [accounts[:2], accounts[2:]]
    assert in_batches(accounts, most_rows=1) == [[pk] for pk in accounts]
    assert in_batches([], most_rows=1) == []
