"""Writing many rows in one statement each, alike on SQLite and PostgreSQL.

Django's ``bulk_create(update_conflicts=True)`` cannot keep a maximum and spends most of its time
preparing values that are known to fit; this writes the same ``INSERT … ON CONFLICT`` by hand.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from django.db import connection, models

# PostgreSQL takes 65,535 parameters in a statement, SQLite 32,766.
_MOST_PARAMETERS = 30_000


def upsert(
    model: type[models.Model],
    rows: Sequence[models.Model],
    *,
    unique: Sequence[str],
    update: Sequence[str],
    highest: Sequence[str] = (),
    lowest: Sequence[str] = (),
    added: Sequence[str] = (),
) -> None:
    """Insert ``rows``, or where ``unique`` is taken set the ``update`` columns to the new values.

    ``highest``, ``lowest`` and ``added`` columns become the greater, the smaller and the sum of
    the stored and the new value. Rows must differ in ``unique`` (PostgreSQL refuses to touch a row
    twice in a statement) and hold values that fit their columns. No signals are sent, no ids are
    set. One statement for as many rows as fit its parameters.
    """
    if not rows:
        return
    columns = _columns(model)
    statement = _Statement(
        model, tuple(unique), tuple(update), tuple(highest), tuple(lowest), tuple(added)
    )
    size = max(1, _MOST_PARAMETERS // len(columns))
    with connection.cursor() as cursor:
        for start in range(0, len(rows), size):
            chunk = rows[start : start + size]
            values: list[Any] = []
            for row in chunk:
                values += [_stored(getattr(row, name)) for name in columns]
            cursor.execute(statement.text(len(chunk)), values)


class _Statement:
    def __init__(
        self,
        model: type[models.Model],
        unique: tuple[str, ...],
        update: tuple[str, ...],
        highest: tuple[str, ...],
        lowest: tuple[str, ...],
        added: tuple[str, ...],
    ) -> None:
        quote = connection.ops.quote_name
        table = quote(model._meta.db_table)
        greatest, least = (
            ("GREATEST", "LEAST") if connection.vendor == "postgresql" else ("MAX", "MIN")
        )

        def column(name: str) -> str:
            field: Any = model._meta.get_field(name)
            return quote(field.column)

        sets = [f"{column(name)} = EXCLUDED.{column(name)}" for name in update]
        for function, names in ((greatest, highest), (least, lowest)):
            sets += [
                f"{column(name)} = {function}({table}.{column(name)}, EXCLUDED.{column(name)})"
                for name in names
            ]
        sets += [
            f"{column(name)} = {table}.{column(name)} + EXCLUDED.{column(name)}" for name in added
        ]
        fields = _columns(model)
        names = ", ".join(quote(_column_of(model, attribute)) for attribute in fields)
        # Names of our own models' columns; every value is a parameter.
        self._head = f"INSERT INTO {table} ({names}) VALUES "  # noqa: S608
        self._row = f"({', '.join(['%s'] * len(fields))})"
        self._tail = (
            f" ON CONFLICT ({', '.join(column(name) for name in unique)})"
            f" DO UPDATE SET {', '.join(sets)}"
        )

    def text(self, rows: int) -> str:
        return self._head + ", ".join([self._row] * rows) + self._tail


def _column_of(model: type[models.Model], attname: str) -> str:
    return next(field.column for field in model._meta.concrete_fields if field.attname == attname)


@cache
def _columns(model: type[models.Model]) -> tuple[str, ...]:
    """Attribute names of the columns that are written: all but an automatic primary key."""
    return tuple(
        field.attname
        for field in model._meta.concrete_fields
        if not isinstance(field, models.AutoField)
    )


def _stored(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, dict | list):
        return json.dumps(value)
    if isinstance(value, Decimal):
        return value if connection.vendor == "postgresql" else f"{value:f}"
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, date):
        return connection.ops.adapt_datefield_value(value)
    raise TypeError(f"{type(value).__name__} is not written in bulk")
