"""Queries of every section and list read along an index, whatever is asked of a long journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.admin import site
from django.db import connection
from django.test import RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.core.admin import CappedPaginator
from config.core.caching.resources import declared_resources
from config.core.errors import ApplicationError
from portfolio.models import Account
from tests.factories import AccountFactory, UserFactory
from tests.plans import Query, recorded_queries, rows_touched, tables_read_whole
from tests.trades.many import write_days, write_trades
from trades.journal.reading import ExecutionFilter, executions_of
from trades.models import (
    CashMovementRow,
    JournalRun,
    QuarantinedExecution,
    Trade,
    TradeExecution,
    TradeLot,
)
from trades.reviewing import listing
from trades.statistics.filter import StatisticsFilter
from trades.statistics.report import statistics_report

NOW = datetime(2026, 11, 13, 17, tzinfo=UTC)
TRADES = 2_000
#: A page of 100 rows, or the days asked for, with what belongs to them.
MOST_ROWS = 1_200
REACH = 200
#: What grows with the minutes and is empty here: the plan alone says whether it is read whole.
EMPTY = {
    "account_history", "contract_greek_history", "price_bars", "greek_snapshots", "gex_snapshots",
    "signals", "signal_changes", "shadow_positions", "exit_signals",
}  # fmt: skip
#: A process keeps each calendar whole for a minute; it grows with the years alone.
KEPT_WHOLE = 'FROM "greeks_exchangesession"'
SORTS = ("", "-opened", "opened", "-closed", "-net", "net", "underlying")
ADMIN = (Trade, TradeExecution, TradeLot, CashMovementRow, QuarantinedExecution, JournalRun)

days = st.integers(0, 900).map(lambda back: NOW.date() - timedelta(days=back))
lengths = st.integers(0, 30).map(lambda length: timedelta(days=length))
accounts = st.sampled_from([None, "LONG", "OTHER"])


@pytest.fixture
def owner(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A reader of two long journals, on a desk where others have some too."""
    monkeypatch.setattr(listing, "REACH", REACH)
    monkeypatch.setattr(CappedPaginator, "most", REACH)
    owner = UserFactory.create(is_staff=True, is_superuser=True)
    for name, whose in (("LONG", owner), ("OTHER", owner), ("FOREIGN", UserFactory.create())):
        account = AccountFactory.create(account_id=name, account_number=name, owner=whose)
        write_trades(account, TRADES, last=NOW)
        write_days(account, last=NOW.date())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        if connection.vendor == "postgresql":
            # Thousands of rows are read whole sooner than looked up; millions are not.
            for way in ("seqscan", "hashjoin", "mergejoin"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
    with time_machine.travel(NOW, tick=False):
        yield owner


def sections(owner: Any, data: st.DataObject) -> None:
    """Read a declared resource, as its endpoint and the dashboard do."""
    resource = data.draw(st.sampled_from(declared_resources()))
    start = data.draw(days)
    offered = {
        "account_id": data.draw(accounts),
        "start": start,
        "end": start + data.draw(lengths),
        "symbol": "SPY",
    }
    asked = {name: value for name, value in offered.items() if name in resource.parameters}
    with suppress(ApplicationError):
        resource.read(resource.ask(owner, **asked))


def trade_list(owner: Any, data: st.DataObject) -> None:
    start = data.draw(days)
    asked: dict[str, str] = {
        "sort": data.draw(st.sampled_from(SORTS)),
        "underlying": data.draw(st.sampled_from(["", "U01", "u02", "QQQ"])),
        "status": data.draw(st.sampled_from(["", "closed", *rare("open", "awaiting")])),
    }
    if data.draw(st.booleans()):
        asked |= {"start": f"{start}", "end": f"{start + data.draw(lengths)}"}
    page = data.draw(st.integers(1, 2))
    found = listing.list_trades(
        chosen(owner, data), {name: value for name, value in asked.items() if value}, page=page
    )
    listing.by_chain(found.rows)


def fills(owner: Any, data: st.DataObject) -> None:
    start = data.draw(st.none() | days)
    wanted = ExecutionFilter(
        kind=data.draw(st.sampled_from(["", "trade", *rare("split")])),
        start=start,
        end=start and start + data.draw(lengths),
    )
    own = chosen(owner, data)
    _, following = executions_of(own, wanted)
    if following:
        executions_of(own, wanted, before=following)


def statistics(owner: Any, data: st.DataObject) -> None:
    start = data.draw(days)
    statistics_report(
        StatisticsFilter(
            accounts=chosen(owner, data),
            currency="USD",
            start=start,
            end=start + data.draw(lengths),
            underlying=data.draw(st.sampled_from(["", "U01", "QQQ"])),
            tag=data.draw(st.sampled_from(["", "hedge"])),
        )
    )


def admin_list(owner: Any, data: st.DataObject) -> None:
    request = RequestFactory().get("/", {"p": data.draw(st.integers(1, 2))})
    request.user = owner
    model = data.draw(st.sampled_from(ADMIN))
    listed = site.get_model_admin(model).get_changelist_instance(request)
    list(listed.result_list)


READERS: tuple[Callable[[Any, st.DataObject], None], ...] = (
    sections, trade_list, fills, statistics, admin_list,
)  # fmt: skip


def rare(*values: str) -> tuple[str, ...]:
    """Return values that few rows have: SQLite cannot know that beforehand, PostgreSQL can."""
    return values if connection.vendor == "postgresql" else ()


def chosen(owner: Any, data: st.DataObject) -> list[Account]:
    wanted = data.draw(accounts)
    own = Account.objects.filter(owner=owner).order_by("pk")
    return list(own.filter(pk=wanted) if wanted else own)


def troubles(queries: list[Query]) -> list[str]:
    found = []
    for query in queries:
        whole = tables_read_whole(query, EMPTY)
        touched = rows_touched(query)
        if whole or (touched > MOST_ROWS and KEPT_WHOLE not in query.sql):
            found.append(f"{touched} rows, {whole}: {query.sql}")
    return found


@pytest.mark.timeout(300)
@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_queries_of_sections_and_lists_read_along_an_index(owner: Any, data: st.DataObject) -> None:
    """Feature: dashboard-performance-optimization, Property 22: For any database query
    using proper indexes (on timestamp, status, symbol columns), the query should complete in under
    500ms under normal load.

    What bounds its time on any machine: it touches the rows it answers with, not the table's.
    """
    read = data.draw(st.sampled_from(READERS))
    with recorded_queries() as queries:
        read(owner, data)
    assert not troubles(queries)


def test_a_query_without_an_index_is_recognised(owner: Any) -> None:
    with recorded_queries() as queries:
        list(TradeExecution.objects.filter(order_id="7").order_by())
        list(TradeExecution.objects.filter(account="NOBODY").order_by())
    assert rows_touched(queries[0]) > MOST_ROWS > rows_touched(queries[1])
    if connection.vendor == "sqlite":
        assert tables_read_whole(queries[0], {"trade_executions"})
    assert not tables_read_whole(queries[1], {"trade_executions"})
