"""Write tables as CSV safe for spreadsheets: formula-like text is prefixed with a quote."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

# OWASP, "CSV Injection": characters spreadsheets take as the start of a formula.
# Their full-width forms, too.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n")
# What spreadsheets skip before it, beside what Python calls white space.
_SKIPPED = "\0\x1f\u200b\u200c\u200d\u2060\ufeff\"'"


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Return the table line by line. Missing is an empty field; numbers stay numbers."""
    for row in (header, *rows):
        line = io.StringIO()
        csv.writer(line).writerow([_cell(value) for value in row])
        yield line.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Decimal):
        # Of 100 without its zeros, Python writes 1E+2.
        return f"{value:f}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    text = str(value)
    if isinstance(value, str) and (text.startswith(_FORMULA) or _behind(text).startswith(_FORMULA)):
        return "'" + text
    return text


def _behind(text: str) -> str:
    """Return the text without blanks and marks in front."""
    kept = text.lstrip()
    while (shorter := kept.lstrip(_SKIPPED).lstrip()) != kept:
        kept = shorter
    return kept
