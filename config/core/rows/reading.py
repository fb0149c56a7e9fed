"""Read many rows as plain values, in parts one statement can take."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import numpy as np
from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import DateTimeField, FloatField, QuerySet
from numpy.typing import NDArray
from psycopg.types.datetime import TimestamptzLoader

Floats = NDArray[np.float64]
Item = TypeVar("Item")

#: Far below SQLite's limit of parameters, yet enough to make a statement's overhead small.
BATCH: Final = 2_000


def batched(items: Sequence[Item], size: int = BATCH) -> Iterator[Sequence[Item]]:
    """Yield the items in order, at most ``size`` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def read_rows(rows: QuerySet[Any], columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return the columns of the rows, as ``values_list`` does in a fraction of its time."""
    return list(zip(*read_columns(rows, columns), strict=True))


def read_columns(rows: QuerySet[Any], columns: Sequence[str]) -> list[Sequence[Any]]:
    """Return the result of ``values_list`` by column.

    Django converts every value by itself; SQLite stores amounts and times as numbers and texts, and
    a journal's repeat. Here each distinct value of a column is converted once.
    """
    connection = connections[rows.db]
    compiler = rows.values_list(*columns).query.get_compiler(rows.db)
    try:
        statement, parameters = compiler.as_sql()
    except EmptyResultSet:
        return [()] * len(columns)
    if connection.vendor == "sqlite":
        # The driver knows no type for an expression, so it converts nothing.
        names = [f"c{number}" for number in range(len(compiler.select))]
        plain = ", ".join(f"+{name}" for name in names)
        statement = f"WITH found({', '.join(names)}) AS ({statement}) SELECT {plain} FROM found"  # noqa: S608
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # The driver's own, in C; Django's for the zone, which is UTC, is in Python.
            cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        cursor.execute(statement, parameters)
        by_column: list[Sequence[Any]] = list(zip(*cursor.fetchall(), strict=True))
    if not by_column:
        return [()] * len(columns)
    expressions = [selected[0] for selected in compiler.select]
    for place, (converters, expression) in compiler.get_converters(expressions).items():
        if isinstance(expression.output_field, FloatField):
            # Both drivers read them as what they are.
            continue
        convert = _converter(converters, expression, connection)
        values = {stored: convert(stored) for stored in set(by_column[place])}
        by_column[place] = [values[stored] for stored in by_column[place]]
    return by_column


def read_numbers(
    rows: QuerySet[Any], columns: Sequence[str], *, texts: Collection[str] = ()
) -> list[Any]:
    """Return columns of numbers (for ``floats_of`` and ``moments_of``) and of ``texts``.

    PostgreSQL formats each number as text and its driver parses it, which takes longer than the
    query. Here it sends a column as one binary value. Keys are exact up to 2^53. All columns are
    packed in one pass over the rows, so their places agree.
    """
    connection = connections[rows.db]
    if connection.vendor != "postgresql":
        return read_columns(rows, columns)
    compiler = rows.values_list(*columns).query.get_compiler(rows.db)
    try:
        statement, parameters = compiler.as_sql()
    except EmptyResultSet:
        return [()] * len(columns)
    names = [f"c{number}" for number in range(len(columns))]
    packed = ", ".join(
        f"array_agg({name})"
        if column in texts
        else f"string_agg(float8send(coalesce({name}::float8, 'NaN')), ''::bytea)"
        for name, column in zip(names, columns, strict=True)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {packed} FROM ({statement}) found({', '.join(names)})",  # noqa: S608
            parameters,
        )
        values = cursor.fetchone()
    return [
        value or ()
        if column in texts
        else np.frombuffer(value or b"", dtype=">f8").astype(np.float64)
        for column, value in zip(columns, values, strict=True)
    ]


def floats_of(column: Sequence[Any] | Floats) -> Floats:
    """Return a column of numbers as an array; NaN where missing."""
    return np.asarray(column, dtype=np.float64)


def _converter(
    converters: Sequence[Callable[..., Any]], expression: Any, connection: Any
) -> Callable[[Any], Any]:
    zone = connection.timezone
    if connection.vendor == "sqlite" and isinstance(expression.output_field, DateTimeField):
        # What Django's converter does, in a tenth of its time.
        return lambda text: text and datetime.fromisoformat(text).replace(tzinfo=zone)

    def convert(value: Any) -> Any:
        for each in converters:
            value = each(value, expression, connection)
        return value

    return convert
