"""A process's role, and the database options that follow from it.

The web process gives up soon on a locked or slow database, so a page can answer with what it has;
jobs wait. Settings are read once before the fork: a child adopts its role, and connections it
opens afterwards follow it.
"""

from __future__ import annotations

import os
from typing import Any

WEB = "web"


def database_options(engine: str, role: str) -> dict[str, Any]:
    """Return a role's timeouts as Django database ``OPTIONS`` for the engine. Seconds.

    No web thread may be held by the database for over five seconds.
    """
    statement, lock = (4, 2) if role == WEB else (60, 20)
    if engine.endswith("postgresql"):
        return {"options": f"-c statement_timeout={statement * 1000} -c lock_timeout={lock * 1000}"}
    if engine.endswith("sqlite3"):
        # Only writers wait, and a log-in writes: a journal's import may hold the file for a second.
        return {"timeout": lock}
    return {}


def adopt_role(role: str) -> None:
    """Give this process a role. Call before its first database connection."""
    from django.conf import settings
    from django.db import connections

    os.environ["PROCESS_ROLE"] = role
    settings.PROCESS_ROLE = role
    for database in connections.settings.values():
        database["OPTIONS"] |= database_options(database["ENGINE"], role)
        if "pool" in database["OPTIONS"]:
            from config.core.postgres import ImpatientConnection

            ImpatientConnection.seconds = exchange_seconds(role)
            database["OPTIONS"]["pool"]["timeout"] = pool_seconds(role)


def exchange_seconds(role: str) -> float:
    """Return how long a process waits for PostgreSQL: a little longer than a statement may take."""
    return 4.5 if role == WEB else 65.0


def pool_seconds(role: str) -> float:
    """Return how long a process waits for a free connection, or for a new one."""
    return 2.0 if role == WEB else 5.0
