"""Queries compiled once and run many times, returning tuples.

Compiling a query costs Django several times as much as running it on a small table. A kept query is
compiled on first use, with a ``Parameter`` for each value, and later only filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Expression, Field, Model, QuerySet

Row = TypeVar("Row", bound=Model)

#: Compiled forms of one query: by database and lengths of its lists.
_MOST_FORMS: Final = 64


class Parameter(Expression):
    """Placeholder for a value of a field's type."""

    def __init__(self, name: str, place: int | None, field: Field[Any, Any]) -> None:
        super().__init__(output_field=field)
        self.name, self.place = name, place

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", [self]

    def of(self, values: Mapping[str, Any], connection: Any) -> Any:
        """Return its value in the database driver's form."""
        value = values[self.name] if self.place is None else values[self.name][self.place]
        return self.output_field.get_db_prep_value(value, connection)


@dataclass(frozen=True, slots=True)
class _Written:
    sql: str
    parameters: tuple[Any, ...]
    #: By column: what turns the driver's value into the field's.
    converters: tuple[tuple[int, Sequence[Callable[..., Any]], Any], ...]


class KeptQuery:
    """``build`` takes a ``Parameter`` per name in ``fields``, or a list of them for a list, and
    returns a ``values_list``."""

    def __init__(self, build: Callable[..., QuerySet[Any, Any]], **fields: Field[Any, Any]) -> None:
        self._build = build
        self._fields = fields
        self._written: dict[tuple[Any, ...], _Written | None] = {}

    def __call__(self, **values: Any) -> list[tuple[Any, ...]]:
        """Ask; ``values`` by name."""
        connection = connections[DEFAULT_DB_ALIAS]
        form = (
            connection.vendor,
            *((name, len(each) if isinstance(each, list) else 0) for name, each in values.items()),
        )
        if form not in self._written:
            if len(self._written) >= _MOST_FORMS:
                self._written.clear()
            self._written[form] = self._write(values, connection)
        written = self._written[form]
        if written is None:
            return []
        parameters = [
            each.of(values, connection) if isinstance(each, Parameter) else each
            for each in written.parameters
        ]
        with connection.cursor() as cursor:
            cursor.execute(written.sql, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        if not written.converters:
            return rows
        found = [list(row) for row in rows]
        for column, convert, expression in written.converters:
            for one in convert:
                for row in found:
                    row[column] = one(row[column], expression, connection)
        return [tuple(row) for row in found]

    def _write(self, values: Mapping[str, Any], connection: Any) -> _Written | None:
        """Compile the query to SQL; ``None`` if no row can match."""
        asked = {name: self._parameter(name, each) for name, each in values.items()}
        compiler = self._build(**asked).query.get_compiler(connection=connection)
        try:
            sql, parameters = compiler.as_sql()
        except EmptyResultSet:
            return None
        used = {(each.name, each.place) for each in parameters if isinstance(each, Parameter)}
        if lost := {(each.name, each.place) for each in _flat(asked)} - used:
            raise TypeError(f"not a parameter any more: {sorted(lost)}; name the key itself (__pk)")
        columns = [column for column, _, _ in compiler.select[: compiler.col_count]]
        converters = compiler.get_converters(columns)
        return _Written(
            sql,
            tuple(parameters),
            tuple((at, convert, expression) for at, (convert, expression) in converters.items()),
        )

    def _parameter(self, name: str, value: Any) -> Any:
        field = self._fields[name]
        if isinstance(value, list):
            return [Parameter(name, place, field) for place in range(len(value))]
        return Parameter(name, None, field)


class KeptObjects(Generic[Row]):
    """A kept query for a model's rows: ``build`` returns a query set. Columns in ``without`` are
    deferred; ``also`` names its annotations."""

    def __init__(
        self,
        model: type[Row],
        build: Callable[..., QuerySet[Any, Any]],
        *,
        without: Collection[str] = (),
        also: Sequence[str] = (),
        **fields: Field[Any, Any],
    ) -> None:
        names = [each.attname for each in model._meta.concrete_fields]
        self._names = [name for name in names if name not in without]
        self._model, self._also = model, also
        columns = (*self._names, *also)
        self._rows = KeptQuery(lambda **asked: build(**asked).values_list(*columns), **fields)

    def __call__(self, **values: Any) -> list[Row]:
        """Ask; ``values`` by name."""
        found, own = [], len(self._names)
        for values_of_row in self._rows(**values):
            row = self._model.from_db(DEFAULT_DB_ALIAS, self._names, values_of_row[:own])
            for name, value in zip(self._also, values_of_row[own:], strict=True):
                setattr(row, name, value)
            found.append(row)
        return found


def _flat(asked: Mapping[str, Any]) -> list[Parameter]:
    lists = (each if isinstance(each, list) else [each] for each in asked.values())
    return [each for some in lists for each in some]
