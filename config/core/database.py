"""The database's circuit breaker, for PostgreSQL and SQLite.

State is per process: whether this process reaches the database is its own question, and a breaker
in Redis would tie the database to Redis.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import InterfaceError, OperationalError

from config.core.errors import DatabaseUnavailable
from config.core.redis.process_copies import ProcessCopies

logger = structlog.get_logger(__name__)

#: What database work raises while the database is not reachable or too busy.
DATABASE_LOST = (OperationalError, InterfaceError, DatabaseUnavailable)
# The server answers but the query waited too long or the file is busy: not a lost connection.
_BUSY = (
    "locked", "busy", "timeout", "deadlock", "could not serialize", "canceling statement",
    "interrupted",
)  # fmt: skip
_PROBE_SECONDS = 0.5
_BUSY_STATES = ("40", "55", "57014")


class DatabaseBreaker:
    """Opens after ``failures`` lost connections in a row; one caller probes after ``cool_down``."""

    def __init__(self, *, failures: int = 3, cool_down: float = 2.0) -> None:
        self.failures = failures
        self.cool_down = cool_down
        self._lock = threading.Lock()
        self._failed = 0
        self._open_until = 0.0

    def check(self) -> bool:
        """Raise ``DatabaseUnavailable`` while open. ``True``: cooled down, the caller must
        probe."""
        if self._failed < self.failures:
            return False
        moment = time.monotonic()
        with self._lock:
            if self._failed < self.failures:
                return False
            if moment < self._open_until:
                raise DatabaseUnavailable("The database is not reachable; it is asked again soon.")
            self._open_until = moment + self.cool_down
            return True

    def record_success(self) -> None:
        if self._failed:
            with self._lock:
                self._failed = 0

    def record_failure(self) -> None:
        with self._lock:
            self._failed += 1
            if self._failed >= self.failures:
                self._open_until = time.monotonic() + self.cool_down

    def trip(self) -> None:
        """Open it at once: the database was seen to hang."""
        with self._lock:
            self._failed = max(self._failed, self.failures)
            self._open_until = time.monotonic() + self.cool_down

    @property
    def is_open(self) -> bool:
        with self._lock:
            return self._failed >= self.failures and time.monotonic() < self._open_until


_breakers: ProcessCopies[DatabaseBreaker] = ProcessCopies(DatabaseBreaker)


def database_breaker() -> DatabaseBreaker:
    """Return this process's breaker."""
    with _breakers.lock:
        return _breakers.get("database")


@contextmanager
def database_guard() -> Iterator[None]:
    """Run database work, as a ``with`` block or ``@database_guard()``, outside ``atomic``.

    Raises ``DatabaseUnavailable`` at once while the breaker is open, and in place of the driver's
    error if the connection is lost or the database too busy. Query errors (constraints, SQL) pass
    through.
    """
    breaker = database_breaker()
    breaker.check()
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise database_unavailable(error) from error
    except Exception:
        # The database answered: the error is the query's or the surrounding code's.
        breaker.record_success()
        raise
    breaker.record_success()


def database_unavailable(error: OperationalError | InterfaceError) -> DatabaseUnavailable:
    """Turn a driver error into what the caller may see, and count it.

    A lost connection counts as a failure, a busy database does not.
    """
    if _is_busy(error):
        database_breaker().record_success()
        logger.warning("database.busy", reason=type(error).__name__)
        return DatabaseUnavailable("The database is too busy to answer now.")
    database_breaker().record_failure()
    if not connection.in_atomic_block:
        # This thread reconnects on its next use.
        connection.close()
    logger.warning("database.connection_lost", reason=type(error).__name__)
    return DatabaseUnavailable("The database is not reachable.")


def ensure_database() -> None:
    """Call before database work: raises ``DatabaseUnavailable`` at once while it is gone.

    Free while the breaker is closed. After the cool-down one caller probes briefly.
    """
    breaker = database_breaker()
    if not breaker.check():
        return
    if (problem := probe_database(wait_up_to=_PROBE_SECONDS)) is not None:
        breaker.record_failure()
        raise DatabaseUnavailable(problem)
    breaker.record_success()


def _is_busy(error: Exception) -> bool:
    state = str(getattr(error.__cause__, "sqlstate", None) or "")
    if state:
        return state.startswith(_BUSY_STATES)
    text = str(error).lower()
    return any(word in text for word in _BUSY)


# --- Probe ------------------------------------------------------------------------------------
_probe_lock = threading.Lock()


class _Probe(threading.Thread):
    """Probes the database in a thread, so a hanging server blocks nobody else."""

    def __init__(self) -> None:
        super().__init__(name="database-probe", daemon=True)
        self.problem: str | None = "The database does not answer."
        self.started_at = time.monotonic()

    def run(self) -> None:
        with _probed.lock:
            probed = _probed.get("database")
        try:
            with probed.cursor() as cursor:
                cursor.execute("SELECT 1")
                cursor.fetchone()
            self.problem = None
        except Exception as error:  # noqa: BLE001 - any error is the result
            self.problem = f"The database is not reachable ({type(error).__name__})."
        finally:
            # As a request does: SQLite's stays open for the next probe.
            probed.close_if_unusable_or_obsolete()


def _connection_of_probes() -> BaseDatabaseWrapper:
    """Make a connection that each probe's thread may use; there is one at a time."""
    made = connections.create_connection(DEFAULT_DB_ALIAS)
    made.inc_thread_sharing()
    return made


_probed: ProcessCopies[BaseDatabaseWrapper] = ProcessCopies(_connection_of_probes)


_running_probe: _Probe | None = None


def probe_database(*, wait_up_to: float = 2.0) -> str | None:
    """Return ``None`` if the database answers in time, else the problem, without secrets."""
    global _running_probe
    with _probe_lock:
        probe = _running_probe
        if probe is None or not probe.is_alive():
            probe = _running_probe = _Probe()
            probe.start()
    probe.join(wait_up_to)
    return "The database does not answer." if probe.is_alive() else probe.problem
