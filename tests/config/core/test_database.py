from __future__ import annotations

import threading
import time

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import InterfaceError, OperationalError
from django.test import Client

from config.core import database
from config.core.database import (
    DatabaseBreaker,
    database_breaker,
    database_guard,
    ensure_database,
    probe_database,
)
from config.core.errors import DatabaseUnavailable
from config.core.redis.process_copies import ProcessCopies

pytestmark = pytest.mark.urls("tests.config.core.urls")


@pytest.fixture(autouse=True)
def breaker(monkeypatch: pytest.MonkeyPatch) -> DatabaseBreaker:
    copies = ProcessCopies(lambda: DatabaseBreaker(failures=3, cool_down=30))
    monkeypatch.setattr(database, "_breakers", copies)
    return database_breaker()


def _elapse(breaker: DatabaseBreaker) -> None:
    """Bring the end of the cool-down here: a busy machine would miss a short one."""
    breaker._open_until -= breaker.cool_down


def _lose(times: int = 1, error: Exception | None = None) -> None:
    for _ in range(times):
        with pytest.raises(DatabaseUnavailable), database_guard():
            raise error or OperationalError("server closed the connection unexpectedly")


def _asks() -> bool:
    asked = []
    try:
        with database_guard():
            asked.append(1)
            raise OperationalError("server closed the connection unexpectedly")
    except DatabaseUnavailable:
        return bool(asked)


@pytest.mark.django_db
def test_work_goes_through_while_the_database_answers() -> None:
    with database_guard(), connection.cursor() as cursor:
        cursor.execute("SELECT 41 + 1")
        assert cursor.fetchone() == (42,)


def test_decorated_function_is_guarded() -> None:
    @database_guard()
    def read(number: int) -> int:
        if number < 0:
            raise InterfaceError("connection already closed")
        return number

    assert read(7) == 7
    with pytest.raises(DatabaseUnavailable):
        read(-1)


def test_lost_connections_open_the_breaker_and_spare_the_database(
    breaker: DatabaseBreaker,
) -> None:
    _lose(3)
    assert breaker.is_open
    assert not _asks()


def test_one_success_starts_the_count_anew(breaker: DatabaseBreaker) -> None:
    _lose(2)
    with database_guard():
        pass
    _lose(2)
    assert not breaker.is_open


def test_after_the_cool_down_one_caller_probes_and_closes_it(breaker: DatabaseBreaker) -> None:
    _lose(3)
    _elapse(breaker)
    with database_guard():
        # The probe is under way: nobody else asks.
        assert not _asks()
    with database_guard():
        pass
    assert not breaker.is_open


def test_failed_probe_opens_it_again(breaker: DatabaseBreaker) -> None:
    _lose(3)
    _elapse(breaker)
    assert _asks()
    assert not _asks()


@pytest.mark.parametrize("text", ["database is locked", "canceling statement due to timeout"])
def test_busy_database_is_unavailable_and_not_lost(breaker: DatabaseBreaker, text: str) -> None:
    _lose(5, OperationalError(text))
    assert not breaker.is_open


def test_postgresql_says_busy_by_its_state(breaker: DatabaseBreaker) -> None:
    class Refused(Exception):
        sqlstate = "55P03"

    error = OperationalError("could not obtain what was asked")
    error.__cause__ = Refused()
    _lose(5, error)
    assert not breaker.is_open


@pytest.mark.django_db(transaction=True)
def test_lost_connection_is_closed_so_that_the_next_use_connects_anew() -> None:
    connection.ensure_connection()
    _lose(1)
    assert connection.connection is None
    with database_guard(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


@pytest.mark.django_db
def test_errors_of_the_query_pass_through(breaker: DatabaseBreaker) -> None:
    for _ in range(4):
        with pytest.raises(IntegrityError), database_guard():
            raise IntegrityError("duplicate key")
    assert not breaker.is_open


def test_message_holds_nothing_of_the_driver() -> None:
    with pytest.raises(DatabaseUnavailable) as lost, database_guard():
        raise OperationalError("password=hunter2 host=10.0.0.1")
    assert lost.value.message == "The database is not reachable."


# --- Before work ------------------------------------------------------------------------------
@pytest.mark.django_db
def test_requests_are_refused_at_once_while_open_and_served_after_a_good_probe(
    breaker: DatabaseBreaker,
) -> None:
    client = Client()
    assert client.get("/api/rows/1").status_code == 200
    _lose(3)
    refused = client.get("/api/rows/1")
    assert (refused.status_code, refused["Retry-After"]) == (503, "2")
    assert refused.json()["error"]["code"] == "database_unavailable"
    assert client.get("/pages/missing").status_code == 503
    assert client.get("/health").status_code == 200
    _elapse(breaker)
    assert client.get("/api/rows/1").status_code == 200
    assert not breaker.is_open


def test_bad_probe_keeps_it_open(breaker: DatabaseBreaker, monkeypatch: pytest.MonkeyPatch) -> None:
    _lose(3)
    monkeypatch.setattr(database, "probe_database", lambda wait_up_to: f"no answer in {wait_up_to}")
    _elapse(breaker)
    with pytest.raises(DatabaseUnavailable, match="no answer"):
        ensure_database()
    assert breaker.is_open


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/api/errors/driver", "/pages/driver"])
def test_lost_connections_of_views_open_the_breaker(breaker: DatabaseBreaker, address: str) -> None:
    for _ in range(3):
        assert Client().get(address).status_code == 503
    assert breaker.is_open


# --- Probe ------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_probe_finds_an_answering_database_well() -> None:
    assert probe_database() is None


@pytest.mark.django_db
def test_probe_leaves_the_transaction_of_its_caller_alone() -> None:
    with transaction.atomic():
        assert probe_database() is None
        assert connection.in_atomic_block


@pytest.mark.django_db
def test_probe_of_a_hanging_database_returns_and_hangs_only_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release, probes = threading.Event(), []

    def hang(self: database._Probe) -> None:
        probes.append(1)
        release.wait(5)

    monkeypatch.setattr(database._Probe, "run", hang)
    started = time.monotonic()
    for _ in range(3):
        assert probe_database(wait_up_to=0.05) == "The database does not answer."
    assert time.monotonic() - started < 1.0
    assert len(probes) == 1
    release.set()


@pytest.mark.django_db
def test_probe_of_an_unreachable_database_names_the_kind_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: object) -> None:
        raise OperationalError("connection refused password=hunter2")

    monkeypatch.setattr(BaseDatabaseWrapper, "cursor", refuse)
    assert probe_database() == "The database is not reachable (OperationalError)."
