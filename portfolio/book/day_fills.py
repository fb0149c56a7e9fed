"""What was traded in an account lately, for the change of the day.

The journal knows it and imports this app, so it registers its reader here. Without one, a position
counts as held since the open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.utils.module_loading import import_string


class DayFill(NamedTuple):
    """One fill. ``quantity`` is signed, bought positive; ``price`` as quoted."""

    instrument_id: int
    at: datetime
    quantity: Decimal
    price: Decimal


FillReader = Callable[[str, datetime], Iterable[DayFill]]
_readers: list[str] = []


def register_fill_reader(path: str) -> None:
    """Name the function that reads an account's fills since a time, by its dotted path."""
    if path not in _readers:
        _readers.append(path)


def fills_since(account_id: str, since: datetime) -> list[DayFill]:
    """Return the account's fills since then. One query."""
    return [fill for path in _readers for fill in _reader(path)(account_id, since)]


def _reader(path: str) -> FillReader:
    found: FillReader = import_string(path)
    return found
