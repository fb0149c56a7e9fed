"""PostgreSQL connections that give up on a server that does not answer.

The server's own time-outs stop a slow statement, but a server that hangs stops nothing: psycopg
would wait for ever. Loaded by settings, so nothing here imports Django before it is used.
"""

from __future__ import annotations

from typing import Any, ClassVar

import psycopg

#: How libpq finds out that the server's machine is gone. Seconds, milliseconds for the last.
NETWORK_OPTIONS = {
    "connect_timeout": 2,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
}


class DatabaseHangs(psycopg.OperationalError):
    """The server did not answer in time. The connection is closed; the caller gets 503."""


class ImpatientConnection(psycopg.Connection[Any]):
    """A connection on which no exchange with the server lasts longer than ``seconds``."""

    #: Set by the process's role (``config.core.processes.role``).
    seconds: ClassVar[float] = 65.0

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, self.seconds if timeout is None else timeout)
        except psycopg.errors._WaitTimeout:
            if timeout is not None:
                raise
            # Closing it politely would wait for the same server.
            self.pgconn.finish()
            _open_breaker()
            raise DatabaseHangs(
                f"the database has not answered for {self.seconds:g} seconds"
            ) from None


def _open_breaker() -> None:
    """Refuse the requests that follow at once: each would wait as long."""
    from config.core.database import database_breaker

    database_breaker().trip()
