"""Put the tables back as the migrations left them, after a test that committed.

Django's own way empties every table and sends ``post_migrate``, which makes content types,
permissions, calendar and schedule again: five times the work of writing back what was there.
"""

from __future__ import annotations

from typing import Any, Final

from django.db import connection, transaction

Rows = list[tuple[Any, ...]]
KEPT: Final = "django_migrations"


class MigratedTables:
    """The rows of each table after the migrations, by table name."""

    def __init__(self) -> None:
        names = connection.introspection.django_table_names(only_existing=True, include_views=False)
        self._rows: dict[str, Rows] = {name: self._read(name) for name in names if name != KEPT}

    def restore(self) -> None:
        """Write back what differs. Constraints are not checked: the rows were there before."""
        with connection.constraint_checks_disabled(), transaction.atomic():
            if connection.vendor == "postgresql":
                # No trigger fires, hence no foreign key's either; until the transaction ends.
                self._execute("SET LOCAL session_replication_role = replica")
            for name in self._filled():
                if self._read(name) != self._rows[name]:
                    self._write(name)

    def _filled(self) -> list[str]:
        """Return the tables that hold rows, or held some at first, by one query."""
        quoted = connection.ops.quote_name
        with connection.cursor() as cursor:
            cursor.execute(
                " UNION ALL ".join(
                    f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {quoted(name)})"  # noqa: S608
                    for name in self._rows
                )
            )
            filled = {name for (name,) in cursor.fetchall()}
        return [name for name, rows in self._rows.items() if rows or name in filled]

    def _read(self, name: str) -> Rows:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(name)} ORDER BY 1")  # noqa: S608
            return list(cursor.fetchall())

    def _write(self, name: str) -> None:
        quoted = connection.ops.quote_name(name)
        self._execute(f"DELETE FROM {quoted}")  # noqa: S608
        if rows := self._rows[name]:
            places = ", ".join(["%s"] * len(rows[0]))
            with connection.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {quoted} VALUES ({places})", rows)  # noqa: S608

    def _execute(self, statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)
