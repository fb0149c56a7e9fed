"""Time every query of this process: log slow ones with their plan, count time-outs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.utils import OperationalError

from config.core.monitoring.counting import Kind, count
from config.core.monitoring.plans import explain
from config.core.monitoring.statements import without_values
from config.core.monitoring.tally import current_tally

logger = structlog.get_logger(__name__)

#: PostgreSQL: cancelled (statement_timeout), no lock in time (lock_timeout).
_STATES: Final = frozenset({"57014", "55P03"})
#: SQLite: interrupted, busy for longer than its timeout.
_WORDS: Final = ("interrupted", "locked")


def time_queries() -> None:
    """Time the queries of every connection this process opens from now on."""
    connection_created.connect(_opened, dispatch_uid="monitoring")


def _opened(connection: BaseDatabaseWrapper, **_: Any) -> None:
    # In front: ``execute_wrapper`` of others takes its own from the end.
    if _time not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _time)


def _time(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    started = time.perf_counter()
    try:
        result = execute(sql, params, many, context)
    except OperationalError as error:
        seconds = _note(started)
        if _is_timeout(error):
            count(Kind.QUERY, "", "timed_out", seconds)
            logger.warning("query.timed_out", milliseconds=_ms(seconds), sql=without_values(sql))
        raise
    seconds = _note(started)
    if seconds * 1000 > settings.SLOW_QUERY_MILLISECONDS:
        count(Kind.QUERY, "", "slow", seconds)
        plan = None if many else explain(context["connection"], sql, params)
        logger.warning("query.slow", milliseconds=_ms(seconds), sql=without_values(sql), plan=plan)
    return result


def _note(started: float) -> float:
    seconds = time.perf_counter() - started
    if (tally := current_tally()) is not None:
        tally.database.append(seconds)
    return seconds


def _is_timeout(error: OperationalError) -> bool:
    state = getattr(error.__cause__, "sqlstate", None)
    if state:
        return state in _STATES
    return any(word in str(error) for word in _WORDS)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
