"""Write many rows in one statement, on SQLite and PostgreSQL.

Django's ``bulk_create(update_conflicts=True)`` cannot keep a maximum, and for a sync's rows it
spends ten times the database's work on making models and preparing values known to fit. This writes
the same ``INSERT … ON CONFLICT`` from plain values: on SQLite row by row into one prepared
statement, on PostgreSQL from one JSON document, because its driver takes longer to bind thousands
of parameters than the server takes to run the statement. Rows that only are inserted are copied.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from itertools import chain
from typing import Any

import msgspec
from django.db import connection, models

from config.core.rows.copying import copy_rows

# Bounds the document that PostgreSQL reads in one statement.
_ROWS_A_STATEMENT = 2_000
#: Rows whose parameters SQLite takes in one statement.
_ROWS_TOGETHER = 100
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
    """Insert ``rows`` of ``columns`` (attribute names), or update where ``unique`` exists.

    An update sets every column, except ``keep`` (unchanged), ``highest``, ``lowest`` and ``added``
    (larger, smaller, sum of old and new). Rows must differ in ``unique`` (PostgreSQL refuses to
    touch a row twice in one statement), and values must fit. Unnamed columns get the database
    default, such as an id. Sends no signals.
    """
    if not rows:
        return
    larger, smaller = ("GREATEST", "LEAST") if connection.vendor == "postgresql" else ("MAX", "MIN")
    forms = {
        **dict.fromkeys(highest, larger + "({old}, {new})"),
        **dict.fromkeys(lowest, smaller + "({old}, {new})"),
        **dict.fromkeys(added, "{old} + {new}"),
    }
    head, tail = _statement(model, columns, unique=unique, keep=keep, forms=forms)
    _write(model, columns, rows, head, tail)


def insert_rows(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Insert ``rows`` of ``columns`` (attribute names) as ``upsert`` does; none may exist."""
    if not rows:
        return
    if connection.vendor == "postgresql":
        copy_rows(model, columns, rows)
        return
    head, _ = _statement(model, columns)
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        _write(model, columns, rows[start : start + _ROWS_A_STATEMENT], head, "")


def insert_missing(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    unique: Sequence[str],
    returning: Sequence[str],
) -> list[tuple[Any, ...]]:
    """Insert the rows that do not exist yet by ``unique``; return ``returning`` of those inserted.

    Another process may insert some first: what is not returned is stored by somebody else.
    """
    names = {field.attname: str(field.column) for field in model._meta.concrete_fields}
    target, answer = (
        ", ".join(connection.ops.quote_name(names[attribute]) for attribute in attributes)
        for attributes in (unique, returning)
    )
    head, _ = _statement(model, columns)
    tail = f" ON CONFLICT ({target}) DO NOTHING RETURNING {answer}"
    marks = ", ".join(["%s"] * len(columns))
    inserted: list[tuple[Any, ...]] = []
    with connection.cursor() as cursor:
        for start in range(0, len(rows), _ROWS_A_STATEMENT):
            part = rows[start : start + _ROWS_A_STATEMENT]
            if connection.vendor == "postgresql":
                source = _document_source(model, columns)
                cursor.execute(f"{head}{source}{tail}", [_document(model, columns, part)])
                inserted += cursor.fetchall()
                continue
            prepared = _prepared(model, columns, part)
            for place in range(0, len(prepared), _ROWS_TOGETHER):
                together = prepared[place : place + _ROWS_TOGETHER]
                values = ", ".join([f"({marks})"] * len(together))
                cursor.execute(f"{head}VALUES {values}{tail}", list(chain.from_iterable(together)))
                inserted += cursor.fetchall()
    return inserted


def update_rows(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Update rows by the first of ``columns``, their key; one that is gone stays gone.

    Django's ``bulk_update`` makes an expression of each value: a hundred times the work.
    """
    if not rows:
        return
    quote = connection.ops.quote_name
    fields = {field.attname: field for field in model._meta.concrete_fields}
    table, (key, *names) = (
        quote(model._meta.db_table),
        [quote(str(fields[name].column)) for name in columns],
    )
    # Only our own models' column names; every value is a parameter.
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            first, *others = _keys(columns)
            sets = ", ".join(
                f"{name} = found.{short}" for name, short in zip(names, others, strict=True)
            )
            statement = (
                f"UPDATE {table} SET {sets} FROM ({_document_source(model, columns)}) AS found "  # noqa: S608
                f"WHERE {table}.{key} = found.{first}"
            )
            for start in range(0, len(rows), _ROWS_A_STATEMENT):
                part = rows[start : start + _ROWS_A_STATEMENT]
                cursor.execute(statement, [_document(model, columns, part)])
            return
        sets = ", ".join(f"{name} = %s" for name in names)
        cursor.executemany(
            f"UPDATE {table} SET {sets} WHERE {key} = %s",  # noqa: S608
            [(*values, pk) for pk, *values in _prepared(model, columns, rows)],
        )


def _write(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    head: str,
    tail: str,
) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            source = _document_source(model, columns)
            cursor.execute(f"{head}{source}{tail}", [_document(model, columns, rows)])
            return
        marks = ", ".join(["%s"] * len(columns))
        cursor.executemany(f"{head}VALUES ({marks}){tail}", _prepared(model, columns, rows))


def upsert_each(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    unique: Sequence[str],
    only_if: str,
) -> list[bool]:
    """Upsert each row by itself; return for each whether it was written.

    ``only_if`` is the SQL condition under which a stored row is replaced: our own text, in which
    ``{old}`` and ``{new}`` stand for the stored and the new row. No signals are sent.
    """
    if not rows:
        return []
    head, tail = _statement(model, columns, unique=unique)
    table = connection.ops.quote_name(model._meta.db_table)
    condition = only_if.format(old=table, new="EXCLUDED")
    marks = ", ".join(["%s"] * len(columns))
    statement = f"{head}VALUES ({marks}){tail} WHERE {condition} RETURNING 1"
    plain = rows if connection.vendor == "postgresql" else _prepared(model, columns, rows)
    written = []
    with connection.cursor() as cursor:
        for row in plain:
            cursor.execute(statement, row)
            written.append(cursor.fetchone() is not None)
    return written


def _statement(
    model: type[models.Model],
    columns: Sequence[str],
    *,
    unique: Sequence[str] = (),
    keep: Sequence[str] = (),
    forms: Mapping[str, str] = {},
) -> tuple[str, str]:
    quote = connection.ops.quote_name
    names = {field.attname: quote(str(field.column)) for field in model._meta.concrete_fields}
    table = quote(model._meta.db_table)
    sets = []
    for attribute in columns:
        if attribute in unique or attribute in keep:
            continue
        name = names[attribute]
        form = forms.get(attribute, "{new}")
        sets.append(f"{name} = " + form.format(old=f"{table}.{name}", new=f"EXCLUDED.{name}"))
    listed = ", ".join(names[attribute] for attribute in columns)
    target = ", ".join(names[attribute] for attribute in unique)
    # Only our own models' column names; every value is a parameter.
    head = f"INSERT INTO {table} ({listed}) "
    return head, f" ON CONFLICT ({target}) DO UPDATE SET {', '.join(sets)}"


def _document_source(model: type[models.Model], columns: Sequence[str]) -> str:
    """Return SQL that reads rows from a JSON document, each value with its column's type.

    Lengths and scales are left to the column, so a text too long is an error, never cut.
    """
    fields = {field.attname: field for field in model._meta.concrete_fields}
    types = [re.sub(r"\(.*?\)", "", fields[name].db_type(connection) or "") for name in columns]
    typed = ", ".join(f"{name} {kind}" for name, kind in zip(_keys(columns), types, strict=True))
    # Only our own models' column types; the document is a parameter.
    return f"SELECT * FROM json_to_recordset(%s::json) AS received({typed})"  # noqa: S608


def _document(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> str:
    """Encode the rows as a JSON list of objects with short keys."""
    fields = {field.attname: field for field in model._meta.concrete_fields}
    keys = _keys(columns)
    documents = [
        key
        for key, name in zip(keys, columns, strict=True)
        if isinstance(fields[name], models.JSONField)
    ]
    objects = [dict(zip(keys, row, strict=True)) for row in rows]
    for found in objects:
        for key in documents:
            if found[key]:
                # May hold numbers only the standard library can write.
                found[key] = msgspec.Raw(json.dumps(found[key]).encode())
    return _ENCODER.encode(objects).decode()


def _keys(columns: Sequence[str]) -> list[str]:
    return [f"c{number}" for number in range(len(columns))]


def _prepared(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> list[tuple[Any, ...]]:
    """Convert values SQLite's driver cannot write, the way Django does.

    Datetimes lose their zone and documents become JSON; Django has registered the other types.
    """
    fields = {field.attname: field for field in model._meta.concrete_fields}
    zone = connection.timezone
    prepared: list[Iterable[Any]] = []
    for name, values in zip(columns, zip(*rows, strict=True), strict=True):
        if isinstance(fields[name], models.DateTimeField):
            # Most rows share their datetimes with many others.
            texts = {moment: _moment_text(moment, zone) for moment in set(values)}
            prepared.append([texts[moment] for moment in values])
        elif isinstance(fields[name], models.JSONField):
            prepared.append(["{}" if value == {} else json.dumps(value) for value in values])
        else:
            prepared.append(values)
    return list(zip(*prepared, strict=True))


def _moment_text(moment: datetime | None, zone: tzinfo | None) -> str | None:
    if moment is None:
        return None
    if moment.tzinfo is zone:
        return str(moment.replace(tzinfo=None))
    return str(moment.astimezone(zone).replace(tzinfo=None))
