"""Writing many rows in one statement each, alike on SQLite and PostgreSQL.

Django's ``bulk_create(update_conflicts=True)`` cannot keep a maximum, and for the rows of a sync it
spends ten times what the database does on making models and preparing values that are known to
fit. This writes the same ``INSERT … ON CONFLICT`` from plain values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import connection, models

# PostgreSQL takes 65,535 parameters in a statement, SQLite 32,766.
_MOST_PARAMETERS = 30_000
_AS_IT_IS = (str, int, float)


def upsert(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    unique: Sequence[str],
    keep: Sequence[str] = (),
    highest: Sequence[str] = (),
    lowest: Sequence[str] = (),
    added: Sequence[str] = (),
) -> None:
    """Insert ``rows`` of ``columns`` (attribute names); where ``unique`` is taken, update instead.

    An update sets every column to its new value, but for ``keep`` (as stored), ``highest``,
    ``lowest`` and ``added`` (the greater, the smaller, the sum of both). Rows must differ in
    ``unique`` (PostgreSQL refuses to touch a row twice in a statement) and hold values that fit
    their columns. Columns that are not named get the database's default, an id for instance. No
    signals are sent. One statement for as many rows as fit its parameters.
    """
    if not rows:
        return
    head, tail = _statement(
        model,
        columns,
        unique=unique,
        keep=keep,
        changes={**_pairs(highest, _GREATEST), **_pairs(lowest, _LEAST), **_pairs(added, _SUM)},
    )
    row_text = f"({', '.join(['%s'] * len(columns))})"
    size = max(1, _MOST_PARAMETERS // len(columns))
    prepare = _preparer()
    with connection.cursor() as cursor:
        for start in range(0, len(rows), size):
            chunk = rows[start : start + size]
            values = [prepare(value) for row in chunk for value in row]
            cursor.execute(f"{head}{', '.join([row_text] * len(chunk))}{tail}", values)


_GREATEST, _LEAST, _SUM = "greatest", "least", "sum"


def _pairs(names: Sequence[str], change: str) -> dict[str, str]:
    return dict.fromkeys(names, change)


def _statement(
    model: type[models.Model],
    columns: Sequence[str],
    *,
    unique: Sequence[str],
    keep: Sequence[str],
    changes: dict[str, str],
) -> tuple[str, str]:
    quote = connection.ops.quote_name
    names = {field.attname: quote(str(field.column)) for field in model._meta.concrete_fields}
    table = quote(model._meta.db_table)
    postgres = connection.vendor == "postgresql"
    forms = {
        _GREATEST: "GREATEST({old}, {new})" if postgres else "MAX({old}, {new})",
        _LEAST: "LEAST({old}, {new})" if postgres else "MIN({old}, {new})",
        _SUM: "{old} + {new}",
    }
    sets = []
    for attribute in columns:
        if attribute in unique or attribute in keep:
            continue
        name = names[attribute]
        form = forms[changes[attribute]] if attribute in changes else "{new}"
        sets.append(f"{name} = " + form.format(old=f"{table}.{name}", new=f"EXCLUDED.{name}"))
    listed = ", ".join(names[attribute] for attribute in columns)
    target = ", ".join(names[attribute] for attribute in unique)
    # Only names of our own models' columns; every value is a parameter.
    head = f"INSERT INTO {table} ({listed}) VALUES "  # noqa: S608
    return head, f" ON CONFLICT ({target}) DO UPDATE SET {', '.join(sets)}"


def _preparer() -> Callable[[Any], Any]:
    """Turns a Python value into what this database's driver takes."""
    postgres = connection.vendor == "postgresql"
    operations = connection.ops
    # The same moments come in hundreds of rows.
    moments: dict[datetime, Any] = {}

    def prepare(value: Any) -> Any:
        if value is None or isinstance(value, _AS_IT_IS):
            return value
        if isinstance(value, Decimal):
            return value if postgres else str(value)
        if isinstance(value, datetime):
            if value not in moments:
                moments[value] = operations.adapt_datetimefield_value(value)
            return moments[value]
        if isinstance(value, date):
            return operations.adapt_datefield_value(value)
        if isinstance(value, dict | list):
            return json.dumps(value)
        raise TypeError(f"{type(value).__name__} is not written in bulk")

    return prepare
