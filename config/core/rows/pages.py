"""SQLite's page cache during bulk writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection

#: In kilobytes, as negative numbers are for SQLite.
_MANY: Final = -64_000


@contextmanager
def many_pages() -> Iterator[None]:
    """Give SQLite 64 MB of page cache while the block writes many rows.

    With the usual 1 MB, pages of many indexes would evict each other and be read again.
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
