"""What a query costs the database: the rows it touches, whatever the machine is doing.

PostgreSQL counts them (``EXPLAIN ANALYZE``). SQLite counts the steps of its virtual machine; a
handful make a row. Its plan says besides which tables are read whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection

#: Steps that reading, checking and passing on a row takes on SQLite, roughly.
STEPS_A_ROW = 12
_EACH = 200


@dataclass(frozen=True, slots=True)
class Query:
    """A statement as it was sent."""

    sql: str
    parameters: Any


@contextmanager
def recorded_queries() -> Iterator[list[Query]]:
    """Record the statements that read."""
    found: list[Query] = []

    def record(execute: Callable[..., Any], sql: str, parameters: Any, *more: Any) -> Any:
        if sql.lstrip().upper().startswith("SELECT"):
            found.append(Query(sql, parameters))
        return execute(sql, parameters, *more)

    with connection.execute_wrapper(record):
        yield found


def rows_touched(query: Query) -> int:
    """Run the statement; return how many rows it read, joined or sorted, roughly on SQLite."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query.sql}", query.parameters)
            plan = cursor.fetchone()[0]
        plan = json.loads(plan) if isinstance(plan, str) else plan
        return max(int(_rows(node)) for node in _nodes(plan[0]["Plan"]))
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += _EACH
        return 0

    with connection.cursor() as cursor:
        connection.connection.set_progress_handler(count, _EACH)
        try:
            cursor.execute(query.sql, query.parameters)
            cursor.fetchall()
        finally:
            connection.connection.set_progress_handler(None, 0)
    return steps // STEPS_A_ROW


def tables_read_whole(query: Query, among: set[str]) -> list[str]:
    """Return the lines of the plan that read one of these tables from end to end."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"EXPLAIN (FORMAT JSON) {query.sql}", query.parameters)
            plan = cursor.fetchone()[0]
            plan = json.loads(plan) if isinstance(plan, str) else plan
            return [
                f"{node['Node Type']} on {node['Relation Name']}"
                for node in _nodes(plan[0]["Plan"])
                if node["Node Type"].endswith("Seq Scan") and node["Relation Name"] in among
            ]
        cursor.execute(f"EXPLAIN QUERY PLAN {query.sql}", query.parameters)
        details = [str(row[3]) for row in cursor.fetchall()]
    names = {alias: table for table, alias in re.findall(r'"(\w+)" (\w+)\b', query.sql)}
    found = []
    for detail in details:
        scanned = re.match(r"SCAN (\S+)(?! .*USING (?:COVERING )?INDEX)", detail)
        if scanned and names.get(scanned[1], scanned[1]) in among:
            found.append(detail)
    return found


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from _nodes(inner)


def _rows(node: dict[str, Any]) -> float:
    """Return the rows a node passed on or threw away, in all its loops."""
    thrown = node.get("Rows Removed by Filter", 0)
    return float((node["Actual Rows"] + thrown) * node["Actual Loops"])
