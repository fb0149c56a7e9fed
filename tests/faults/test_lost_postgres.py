"""A database that is gone or hangs: 503 and no thread that waits for it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from django.conf import settings
from django.db.utils import OperationalError
from django.test import Client
from psycopg_pool import ConnectionPool, PoolTimeout

from auth_tokens.sessions.store import SessionStore
from config.core.database import database_breaker
from config.core.postgres import NETWORK_OPTIONS, DatabaseHangs, ImpatientConnection
from config.core.processes.role import WEB, database_options, exchange_seconds, pool_seconds
from tests.config.settings.test_production import diffsettings
from tests.servers.postgres import NoPostgres, RunningPostgres, postgres_server


@pytest.fixture(scope="module")
def postgres() -> Iterator[RunningPostgres]:
    try:
        with postgres_server() as server:
            yield server
    except NoPostgres as reason:
        pytest.skip(str(reason))


@pytest.mark.processes
@pytest.mark.parametrize("statement", ["SELECT 1", "COMMIT", "ROLLBACK"])
def test_hanging_server_is_left(
    postgres: RunningPostgres, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = ImpatientConnection.connect(postgres.url)
    connection.execute("SELECT 1")
    monkeypatch.setattr(ImpatientConnection, "seconds", 0.3)
    end = {"COMMIT": connection.commit, "ROLLBACK": connection.rollback}
    with postgres.paused():
        with pytest.raises(DatabaseHangs):
            end[statement]() if statement in end else connection.execute(statement)
        assert connection.closed
        assert database_breaker().is_open


@pytest.mark.processes
def test_pool_of_hanging_connections_gives_up(
    postgres: RunningPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImpatientConnection, "seconds", 0.3)
    pool = ConnectionPool(
        postgres.url,
        connection_class=ImpatientConnection,
        kwargs=NETWORK_OPTIONS,
        check=ConnectionPool.check_connection,
        min_size=2,
        timeout=0.5,
        open=True,
    )
    try:
        pool.wait(20)
        with postgres.paused(), pytest.raises((PoolTimeout, psycopg.OperationalError)):
            pool.getconn()
        # It serves again without a restart.
        with pool.connection(timeout=30) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        pool.close()


def test_web_process_waits_less_than_five_seconds_for_an_answer_and_for_a_connection() -> None:
    options = database_options("postgresql", WEB)["options"]
    assert "statement_timeout=4000" in options
    assert "lock_timeout=2000" in options
    assert exchange_seconds(WEB) < 5
    assert pool_seconds(WEB) < 5


@pytest.mark.processes
def test_production_gives_its_pool_impatient_connections() -> None:
    shown = diffsettings()
    assert "config.core.postgres.ImpatientConnection" in shown.stdout, shown.stderr
    assert "'tcp_user_timeout': 5000" in shown.stdout


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/accounts/login", "text/html"), ("/health", "application/json"), ("/risk", "text/html"),
     ("/api/portfolio/accounts", "application/json")],
)  # fmt: skip
def test_lost_database_is_503_for_who_sends_a_session(
    path: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_store: SessionStore) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(SessionStore, "load", gone)
    monkeypatch.setattr("config.core.health.probe_database", lambda **_: "The database is gone.")
    client = Client(raise_request_exception=False)
    client.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32
    response = client.get(path)
    assert response.status_code == 503
    assert response["Content-Type"].startswith(kind)
