"""Slow queries and time-outs, on the real database."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from pytest_django.fixtures import Settings

from auth_tokens.models import User
from config.core.monitoring import plans, queries
from config.core.monitoring.alarms import several_timeouts
from config.core.monitoring.counting import hand_on
from config.core.monitoring.plans import MOST_A_MINUTE
from config.core.monitoring.reading import get_metrics
from config.core.monitoring.statements import is_read, without_values
from config.core.monitoring.tally import tallied
from greeks.alerts.system_events import report_alarms
from tests.config.core.monitoring.measuring import events, nothing_measured
from tests.factories import UserFactory
from tests.servers.valkey import RunningValkey

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def _every_query_is_slow(settings: Settings, valkey: RunningValkey) -> None:
    nothing_measured(valkey)
    settings.SLOW_QUERY_MILLISECONDS = -1


def endless(seconds: float) -> tuple[str, list[Any]]:
    """Return a read that takes longer than the test waits, whichever the database."""
    if connection.vendor == "postgresql":
        return "SELECT pg_sleep(%s)", [seconds]
    return (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT count(*) FROM n WHERE i < %s"
    ), [0]


def time_out() -> None:
    """Run a query that the database gives up or that is cancelled."""
    sql, params = endless(30)
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL statement_timeout = 20")
        else:
            connection.connection.set_progress_handler(lambda: 1, 1000)
        try:
            cursor.execute(sql, params)
        finally:
            if connection.vendor != "postgresql":
                connection.connection.set_progress_handler(None, 0)


@pytest.mark.usefixtures("_every_query_is_slow")
def test_plan_of_a_read_is_logged_in_the_databases_words(caplog: pytest.LogCaptureFixture) -> None:
    assert not User.objects.filter(username="canary-of-a-name", pk__gt=41_414).exists()
    (line,) = [each for each in events(caplog, "query.slow") if each["sql"].startswith("SELECT")]
    assert "SCAN" in line["plan"].upper() or "SEARCH" in line["plan"]
    assert "auth_tokens_user" in line["sql"]
    assert "canary" not in str(line)
    assert "41414" not in str(line)


@pytest.mark.usefixtures("_every_query_is_slow")
@pytest.mark.parametrize("in_transaction", [False, True])
def test_write_is_logged_without_a_plan_and_done_once(
    caplog: pytest.LogCaptureFixture, in_transaction: bool
) -> None:
    UserFactory.create(email="before@example.org")
    caplog.clear()
    User.objects.update(email="after@example.org")
    assert [row.email for row in User.objects.all()] == ["after@example.org"]
    (line,) = [each for each in events(caplog, "query.slow") if each["sql"].startswith("UPDATE")]
    assert line["plan"] is None
    assert "after" not in str(line)


@pytest.mark.usefixtures("_every_query_is_slow")
def test_plans_are_bounded_by_statement_and_by_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [0.0]
    monkeypatch.setattr(plans, "time", SimpleNamespace(monotonic=lambda: moment[0]))

    def plans_of(statements: list[str]) -> int:
        caplog.clear()
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        lines = events(caplog, "query.slow")
        return sum(line["plan"] is not None for line in lines)

    several = [f"SELECT {number} AS n{number}" for number in range(MOST_A_MINUTE + 4)]
    assert plans_of(several[:1] * 5) == 1
    assert plans_of(several) == MOST_A_MINUTE - 1
    moment[0] = 61.0
    assert plans_of(several) == 4 + 0
    moment[0] = plans.SAME_AGAIN_SECONDS + 62
    assert plans_of(several[:1] * 2) == 1


@pytest.mark.usefixtures("_every_query_is_slow")
def test_statement_that_cannot_be_explained_does_no_harm(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside a transaction too, which PostgreSQL would end after a failed statement."""
    monkeypatch.setattr(plans, "without_values", lambda _: 1 / 0)
    with transaction.atomic():
        assert User.objects.count() == 0
        UserFactory.create()
    assert User.objects.count() == 1
    assert all(line["plan"] is None for line in events(caplog, "query.slow"))


def test_other_wrappers_of_the_connection_come_and_go_as_before() -> None:
    seen = []

    def spy(execute: Any, *arguments: Any) -> Any:
        seen.append(arguments[0])
        return execute(*arguments)

    # Opened inside the block, as a thread's first query opens it.
    other = connection.copy()
    with other.execute_wrapper(spy), other.cursor() as cursor:
        cursor.execute("SELECT 1")
    with other.cursor() as cursor:
        cursor.execute("SELECT 2")
    other.close()
    assert seen[-1] == "SELECT 1"
    assert other.execute_wrappers == [queries._time]


def test_time_of_queries_is_the_requests() -> None:
    with tallied() as tally:
        User.objects.count()
        User.objects.first()
    assert len(tally.database) == 2
    assert all(seconds > 0 for seconds in tally.database)


def test_several_timeouts_alert_staff_once(
    valkey: RunningValkey, caplog: pytest.LogCaptureFixture
) -> None:
    nothing_measured(valkey)
    UserFactory.create(is_staff=True)
    for _ in range(2):
        with pytest.raises(OperationalError):
            time_out()
    hand_on()
    assert several_timeouts() is None
    with pytest.raises(OperationalError):
        time_out()
    hand_on()
    (event,) = report_alarms()
    assert event.title == "Several queries timed out"
    assert "3 queries" in event.text
    assert report_alarms() == []
    assert len(events(caplog, "query.timed_out")) == 3
    assert get_metrics()["query_timeouts"] == 3


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("SELECT 1", True),
        ("  (SELECT 1)", True),
        ("-- a comment\nSELECT 1", True),
        ("WITH a AS (SELECT 1) SELECT * FROM a", True),
        ("SELECT 'DELETE FROM a'", True),
        ('SELECT "update" FROM a', True),
        ("SELECT 1;", True),
        ("SELECT last_updated FROM a", True),
        ("WITH a AS (DELETE FROM b RETURNING *) SELECT * FROM a", False),
        ("SELECT * INTO b FROM a", False),
        ("SELECT 1; DROP TABLE a", False),
        ("/* SELECT */ DELETE FROM a", False),
        ("INSERT INTO a SELECT 1", False),
        ("EXPLAIN SELECT 1", False),
        ("SAVEPOINT s", False),
        ("", False),
    ],
)
def test_only_what_can_only_read_is_explained(sql: str, reads: bool) -> None:
    assert is_read(sql) is reads


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a = 'it''s' AND b = 7", "a = ? AND b = ?"),
        ("a = E'it\\'s secret' AND b = 1.5e-3", "a = ? AND b = ?"),
        ("a = 'x--y' AND b = 'z'", "a = ? AND b = ?"),
        ("a = 1 -- don't\nAND b = 'z'", "a = ?  \nAND b = ?"),
        ("a = $t$secret$t$ AND b = $1", "a = ? AND b = $1"),
        ('"it\'s"."2" = \'z\'', '"it\'s"."2" = ?'),
        ("a = 'cut off", "a = ?"),
        ("t1.c2 = %s LIMIT 21", "t1.c2 = %s LIMIT ?"),
        (
            "Seq Scan on a  (cost=0.00..1.05 rows=5 width=4)\n  Filter: (b = '(cost=1'::text)",
            "Seq Scan on a  (cost=0.00..1.05 rows=5 width=4)\n  Filter: (b = ?::text)",
        ),
        ("Filter: (b = 'two\nlines secret'::text)", "Filter: (b = ?::text)"),
    ],
)
def test_no_value_is_shown(text: str, shown: str) -> None:
    assert without_values(text) == shown
