"""Writing many rows in one statement each, alike on SQLite and PostgreSQL.

Django's ``bulk_create(update_conflicts=True)`` cannot keep a maximum, and for the rows of a sync it
spends ten times what the database does on making models and preparing values that are known to
fit. This writes the same ``INSERT … ON CONFLICT`` from plain values: on SQLite row by row into one
prepared statement, on PostgreSQL from one JSON document, because its driver takes longer to put
thousands of parameters into a statement than the server to run it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
from django.db import connection, models

_AS_IT_IS = frozenset({type(None), str, int, float, bool})
_ENCODER = msgspec.json.Encoder()


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
    signals are sent.
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
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            source = _document_source(model, columns)
            cursor.execute(f"{head}{source}{tail}", [_document(model, columns, rows)])
            return
        prepare = _preparer()
        marks = ", ".join(["%s"] * len(columns))
        cursor.executemany(
            f"{head}VALUES ({marks}){tail}",
            [[v if type(v) in _AS_IT_IS else prepare(v) for v in row] for row in rows],
        )


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
    head = f"INSERT INTO {table} ({listed}) "
    return head, f" ON CONFLICT ({target}) DO UPDATE SET {', '.join(sets)}"


def _document_source(model: type[models.Model], columns: Sequence[str]) -> str:
    """Reads the rows out of a JSON document, each value as its column's type.

    Lengths and scales are left to the column: a text too long is an error, never cut.
    """
    quote = connection.ops.quote_name
    fields = {field.attname: field for field in model._meta.concrete_fields}
    types = [re.sub(r"\(.*?\)", "", fields[name].db_type(connection) or "") for name in columns]
    names = [quote(str(fields[name].column)) for name in columns]
    typed = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
    # Only names and types of our own models' columns; the document is a parameter.
    return f"SELECT {', '.join(names)} FROM json_to_recordset(%s::json) AS received({typed})"  # noqa: S608


def _document(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> str:
    """The rows as a JSON list of objects under their columns' names."""
    fields = {field.attname: field for field in model._meta.concrete_fields}
    names = [str(fields[name].column) for name in columns]
    documents = [
        str(f.column)
        for f in fields.values()
        if isinstance(f, models.JSONField) and f.attname in columns
    ]
    objects = [dict(zip(names, row, strict=True)) for row in rows]
    for found in objects:
        for name in documents:
            # It may hold numbers that only the standard library writes.
            found[name] = msgspec.Raw(json.dumps(found[name]).encode())
    return _ENCODER.encode(objects).decode()


def _preparer() -> Callable[[Any], Any]:
    """Turns a Python value into what SQLite's driver takes, as Django would."""
    zone = connection.timezone
    # Most rows share theirs with many others.
    moments: dict[datetime, str] = {}

    def prepare(value: Any) -> Any:
        if isinstance(value, Decimal):
            return str(value)
        if isinstance(value, datetime):
            written = moments.get(value)
            if written is None:
                written = moments[value] = str(value.astimezone(zone).replace(tzinfo=None))
            return written
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, dict | list):
            return json.dumps(value)
        if isinstance(value, str):
            return str(value)
        raise TypeError(f"{type(value).__name__} is not written in bulk")

    return prepare
