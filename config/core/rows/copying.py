"""Insert rows by COPY, PostgreSQL's fastest way; it cannot update."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.db import connection, models


def copy_rows(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Insert rows of these attributes in one statement."""
    fields = {field.attname: field for field in model._meta.concrete_fields}
    quote = connection.ops.quote_name
    documents = [
        place for place, name in enumerate(columns) if isinstance(fields[name], models.JSONField)
    ]
    listed = ", ".join(quote(str(fields[name].column)) for name in columns)
    statement = f"COPY {quote(model._meta.db_table)} ({listed}) FROM STDIN"
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(statement) as copy,
    ):
        for row in rows:
            values = list(row)
            for place in documents:
                values[place] = None if row[place] is None else json.dumps(row[place])
            copy.write_row(values)
