"""What a connection to SQLite keeps of its file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection

#: In kilobytes, as negative numbers are for SQLite.
_MANY: Final = -64_000


@contextmanager
def many_pages() -> Iterator[None]:
    """Let SQLite keep 64 MB of pages while the block writes many rows.

    A connection keeps 1 MB: rows of many indexes would push each other out and be read again.
    """
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA cache_size")
        (kept,) = cursor.fetchone()
        cursor.execute(f"PRAGMA cache_size={_MANY}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA cache_size={kept}")
