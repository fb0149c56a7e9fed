"""Calls in parallel: results and errors by name, and late ones cancelled in the database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial

import pytest
from django.db import connection, connections
from django.db.utils import OperationalError

from auth_tokens.models import User
from config.core.errors import DatabaseUnavailable
from config.core.limited_calls import LimitedCalls, TimeLimitReached, Work

pytestmark = pytest.mark.django_db(transaction=True)

LONG = 60.0
asked_by: ContextVar[str] = ContextVar("asked_by", default="nobody")


@pytest.fixture
def calls() -> LimitedCalls:
    return LimitedCalls("tests", most=2)


def endless_query() -> None:
    statement = (
        "SELECT pg_sleep(60)"
        if connection.vendor == "postgresql"
        else "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.fetchall()


def test_calls_run_side_by_side_and_answer_by_name(calls: LimitedCalls) -> None:
    # Each waits for all: one after the other they would never pass.
    together = threading.Barrier(9)

    def work(number: int) -> int:
        together.wait(LONG)
        return number

    names = [f"section{number}" for number in range(9)]
    works = {name: Work(partial(work, number), LONG) for number, name in enumerate(names)}
    assert calls(works) == {name: number for number, name in enumerate(names)}


def test_error_of_one_call_leaves_the_others(calls: LimitedCalls) -> None:
    def fail() -> None:
        raise ValueError("no")

    answers = calls({"bad": Work(fail, LONG), "good": Work(User.objects.count, LONG)})
    assert isinstance(answers["bad"], ValueError)
    assert answers["good"] == 0


def endless_rows() -> None:
    """The first row comes at once, another never: SQLite searches for it while fetching."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
            " SELECT i FROM n WHERE i = 1"
        )
        cursor.fetchall()


@pytest.mark.parametrize("query", [endless_query, endless_rows])
def test_late_query_is_cancelled_in_the_database(
    calls: LimitedCalls, query: Callable[[], None]
) -> None:
    if query is endless_rows and connection.vendor != "sqlite":
        pytest.skip("other databases send all rows with the answer")
    ended: list[BaseException] = []
    has_ended = threading.Event()

    def ask() -> None:
        try:
            query()
        except BaseException as error:
            ended.append(error)
            raise
        finally:
            has_ended.set()

    answers = calls({"slow": Work(ask, 0.3), "quick": Work(User.objects.count, LONG)})
    assert isinstance(answers["slow"], TimeLimitReached)
    assert answers["slow"].message == "Not answered within 0.3 s."
    assert answers["quick"] == 0
    assert has_ended.wait(LONG)
    assert [type(error) for error in ended] == [OperationalError]


def test_late_call_asks_the_database_nothing_more(calls: LimitedCalls) -> None:
    is_late, has_ended = threading.Event(), threading.Event()
    ended: list[BaseException] = []

    def ask() -> None:
        is_late.wait(LONG)
        try:
            User.objects.count()
        except BaseException as error:
            ended.append(error)
            raise
        finally:
            has_ended.set()

    assert isinstance(calls({"slow": Work(ask, 0.05)})["slow"], TimeLimitReached)
    is_late.set()
    assert has_ended.wait(LONG)
    assert [type(error) for error in ended] == [TimeLimitReached]


@pytest.fixture
def hang() -> Iterator[Callable[[], bool]]:
    """Return a call that ends with the test."""
    over = threading.Event()
    yield over.wait
    over.set()


def test_name_whose_threads_hang_is_refused_at_once_and_others_go_on(
    calls: LimitedCalls, hang: Callable[[], bool]
) -> None:
    for _ in range(2):
        assert isinstance(calls({"hung": Work(hang, 0.02)})["hung"], TimeLimitReached)
    answers = calls({"hung": Work(hang, LONG), "free": Work(User.objects.count, LONG)})
    assert isinstance(answers["hung"], TimeLimitReached)
    assert answers["free"] == 0


def test_lost_database_is_named_in_plain_words(calls: LimitedCalls) -> None:
    def fail() -> None:
        raise OperationalError("server closed the connection unexpectedly")

    assert isinstance(calls({"one": Work(fail, LONG)})["one"], DatabaseUnavailable)


def test_threads_know_who_asked_and_keep_no_connection(calls: LimitedCalls) -> None:
    kept: list[bool] = []

    def ask() -> str:
        User.objects.count()
        return asked_by.get()

    def look() -> None:
        kept.append(connection.connection is not None)

    asked_by.set("this request")
    assert calls({"one": Work(ask, LONG)})["one"] == "this request"
    calls({"one": Work(look, LONG)})
    assert kept == [False]


def test_threads_keep_a_connection_that_requests_keep(
    calls: LimitedCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", None)
    used: list[object] = []

    def ask() -> None:
        User.objects.count()
        used.append(connection.connection)

    for _ in range(2):
        calls({"one": Work(ask, LONG)})
    assert used[0] is used[1]
    calls({"one": Work(connections.close_all, LONG)})


def test_quick_calls_share_one_thread_and_one_connection(calls: LimitedCalls) -> None:
    # A thread that needs a moment to begin is no slow call.
    for _ in range(20):
        threads = calls({name: Work(threading.get_ident, LONG) for name in "abcde"})
        if len(set(threads.values())) == 1:
            return
    raise AssertionError("quick calls were never made by one thread")


def test_call_that_nobody_waits_for_is_not_made(
    calls: LimitedCalls, hang: Callable[[], bool]
) -> None:
    made: list[str] = []
    works = {name: Work(hang, 0.2) for name in ("first", "second")}
    # Both places of the name are taken, so it is late before it begins.
    both = threading.Barrier(3)

    def take() -> None:
        both.wait(LONG)
        hang()

    askers = [threading.Thread(target=calls, args=({"name": Work(take, LONG)},)) for _ in range(2)]
    for asker in askers:
        asker.start()
    both.wait(LONG)
    answers = calls({"name": Work(partial(made.append, "made"), 0.05), **works})
    assert all(isinstance(each, TimeLimitReached) for each in answers.values())
    assert made == []
