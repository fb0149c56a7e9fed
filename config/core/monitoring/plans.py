"""Plans of slow reads, without the queries' values."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, Final

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from config.core.monitoring.statements import is_read, without_values
from config.core.redis.process_copies import ProcessCopies

#: How often the same statement is explained, and how many are in a minute: a database that is slow
#: because it is busy gets little extra work.
SAME_AGAIN_SECONDS: Final = 600.0
MOST_A_MINUTE: Final = 6

_lately: ProcessCopies[dict[str, float]] = ProcessCopies(dict)


def explain(connection: BaseDatabaseWrapper, sql: str, params: Any) -> str | None:
    """Return the database's plan for a read, with each value as ``?``.

    ``None`` for a write, a statement explained recently, too many recent ones, or a database that
    does not answer. The statement is planned, never run again.
    """
    if not is_read(sql) or connection.needs_rollback or not _may_explain(sql):
        return None
    prefix = "EXPLAIN QUERY PLAN "
    guard: AbstractContextManager[Any] = nullcontext()
    if connection.vendor == "postgresql":
        prefix = "EXPLAIN "
        if connection.in_atomic_block:
            # A failure must not end the caller's transaction.
            guard = transaction.atomic(connection.alias)
    # Whatever fails here, the query itself succeeded.
    with suppress(Exception), guard, connection.cursor() as cursor:
        cursor.execute(prefix + sql, params)
        return without_values("\n".join(str(row[-1]) for row in cursor.fetchall()))
    return None


def _may_explain(sql: str) -> bool:
    moment = time.monotonic()
    with _lately.lock:
        lately = _lately.get("statements")
        for statement in [each for each, at in lately.items() if moment - at > SAME_AGAIN_SECONDS]:
            del lately[statement]
        in_this_minute = sum(1 for at in lately.values() if moment - at <= 60)
        if sql in lately or in_this_minute >= MOST_A_MINUTE:
            return False
        lately[sql] = moment
    return True
