"""Cached and real-time answers over the real database: right at the next read after a change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django_redis import get_redis_connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoCaptureOnCommitCallbacks

from config.core.caching.reading import key_of, manager, read_resource
from config.core.caching.resources import resource_named
from portfolio.book.moved import invalidate_if_moved
from portfolio.book.position_row import known_positions, stored_positions
from portfolio.domain import Side
from portfolio.models import Account
from tests.factories import PositionFactory
from tests.trades.contexts.test_capturing import fill
from tests.trades.files import account_at
from tests.trades.statistics.test_report import record, round_trip
from trades.models import ShadowPosition
from trades.trade_signals.receiving import enter_signal
from trades.trade_signals.sources import source_by_hand

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
AT = datetime(2026, 11, 13, 17, 0, tzinfo=UTC)
PNL = resource_named("analytics:pnl")
RETURNS = resource_named("analytics:returns")
SOURCES = resource_named("source_performance")
ANALYTICS = {PNL.name, RETURNS.name}
ONCE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def accounts() -> list[Account]:
    return [account_at("IBKR", "U1"), account_at("IBKR", "U2")]


@pytest.fixture
def keys(accounts: list[Account]) -> dict[str, dict[str, str]]:
    """By account, the keys of what its owner reads, and the resource of each."""
    found: dict[str, dict[str, str]] = {}
    with time_machine.travel(AT, tick=False):
        for account in accounts:
            asked = [(PNL, None), (PNL, account.pk), (RETURNS, None), (SOURCES, None)]
            found[account.pk] = {
                key_of(resource, resource.ask(account.owner, account_id=account_id)): resource.name
                for resource, account_id in asked
            }
    return found


def missed(keys: dict[str, str]) -> set[str]:
    return {name for key, name in keys.items() if not manager.exists(key)}


@ONCE
@given(
    kind=st.sampled_from(["position", "signal", "fill"]),
    place=st.integers(0, 1),
    number=st.integers(1, 10**4),
)
def test_change_removes_what_it_made_wrong_and_leaves_others_alone(
    accounts: list[Account],
    keys: dict[str, dict[str, str]],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    kind: str,
    place: int,
    number: int,
) -> None:
    """Feature: dashboard-performance-optimization, Property 18: For any data update that affects
    cached values (position updates affecting analytics, signal updates affecting source
    performance), the system should invalidate the related cache entries."""
    changed, other = accounts[place], accounts[1 - place]
    change, affected = CHANGES[kind]
    with time_machine.travel(AT, tick=False), transaction.atomic():
        for key in (*keys["U1"], *keys["U2"]):
            manager.set(key, "kept", 600)
        with django_capture_on_commit_callbacks(execute=True):
            change(changed, number)
        assert missed(keys[changed.pk]) == affected
        assert missed(keys[other.pk]) == set()
        transaction.set_rollback(True)


def test_import_is_in_the_next_answer(
    accounts: list[Account], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with time_machine.travel(AT, tick=False):
        question = PNL.ask(accounts[0].owner)
        before = read_resource(PNL, question)
        with django_capture_on_commit_callbacks(execute=True):
            round_trip(1, opened=AT - timedelta(hours=3), closed=AT - timedelta(hours=2), net=40)
        after = read_resource(PNL, question)
        assert not after.hit
        assert after.data != before.data
        assert after.data == PNL.read(question)


@ONCE
@given(
    name=st.sampled_from(
        ["positions", "shadow_positions", "exit_signals", "queued_signals", "health"]
    ),
    number=st.integers(1, 10**4),
)
def test_real_time_data_come_from_the_database_each_time(
    accounts: list[Account], name: str, number: int
) -> None:
    """Feature: dashboard-performance-optimization, Property 11: For any real-time data type
    (positions, shadow_positions, exit_signals, queued_signals, health), fetching should always
    query the database directly and return the most current data without using cache."""
    resource, owner = resource_named(name), accounts[0].owner
    with time_machine.travel(AT, tick=False), transaction.atomic():
        before = read_resource(resource, resource.ask(owner)).data
        if name in NEWS:
            NEWS[name](accounts[0], number)
        with CaptureQueriesContext(connection) as queries:
            answer = read_resource(resource, resource.ask(owner))
        assert len(queries) > 0
        assert (answer.hit, answer.stale) == (False, False)
        if name in NEWS:
            assert answer.data != before
        assert not list(get_redis_connection("default").scan_iter("greekdesk:cache*"))
        transaction.set_rollback(True)


def _move(account: Account, number: int) -> None:
    known = known_positions(account.pk)
    PositionFactory(account=account, quantity=Decimal(number))
    held = stored_positions(account.pk).values()
    assert invalidate_if_moved(account_id=account.pk, known=known, held=held, source="ibkr")


def _signal(account: Account, number: int) -> None:
    source = source_by_hand(account.owner)
    values = {"symbol": f"S{number}", "direction": "long"}
    enter_signal(user=account.owner, source=source, values=values)


def _fill(account: Account, number: int) -> None:
    record(
        *(
            fill(
                number,
                account_number=account.account_number,
                broker_execution_id=f"{account.pk}.{number}.{side}",
                side=side,
                price=Decimal(price),
                execution_time=AT - timedelta(hours=3 - hours),
            )
            for side, price, hours in ((Side.SELL, 5, 0), (Side.BUY, 1 + number % 3, 1))
        )
    )


def _shadow(account: Account, number: int) -> None:
    source = source_by_hand(account.owner)
    legs = [{"symbol": "XYZ   270115P00090000", "quantity": number}]
    values = {"symbol": "XYZ", "direction": "long", "legs": legs}
    enter_signal(user=account.owner, source=source, values=values)
    ShadowPosition.objects.update(
        status=ShadowPosition.Status.OPEN, opened_at=AT, entry_price=Decimal(2)
    )


CHANGES: dict[str, tuple[Callable[[Account, int], None], set[str]]] = {
    "position": (_move, ANALYTICS),
    "signal": (_signal, {SOURCES.name}),
    "fill": (_fill, ANALYTICS | {SOURCES.name}),
}
NEWS: dict[str, Callable[[Account, int], None]] = {
    "positions": _move,
    "queued_signals": _signal,
    "shadow_positions": _shadow,
}
