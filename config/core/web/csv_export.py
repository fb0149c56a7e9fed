"""Write tables as CSV safe for spreadsheets: formula-like text is prefixed with a quote."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

# OWASP, "CSV Injection": what spreadsheets take as the start of a formula. Full-width, small and
# raised forms are read as these.
_SIGNS = frozenset("=+-@")
_FIRST = ("\t", "\r", "\n")
# After these a cell begins where a spreadsheet separates by something other than our comma: a quote
# in the middle of its cell holds nothing together.
_ENDS_A_CELL = re.compile(r"(?<=[;\t\r\n])")
# What spreadsheets skip before a sign: controls, white space and marks by their class; and these,
# of which some are letters that nobody sees.
_SKIPPED_CLASSES = frozenset("CZM")
_SKIPPED = frozenset("\"'\u115f\u1160\u2800\u3164\uffa0")


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
    return _text(value) if isinstance(value, str) else str(value)


def _text(text: str) -> str:
    """Return the text with a quote before all that could be taken for a formula."""
    first, *others = _ENDS_A_CELL.split(text)
    if others:
        first += "".join(f"'{part}" if _is_formula(part) else part for part in others)
    return f"'{first}" if text.startswith(_FIRST) or _is_formula(text) else first


def _is_formula(text: str) -> bool:
    for character in text:
        if character not in _SKIPPED and unicodedata.category(character)[0] not in _SKIPPED_CLASSES:
            return unicodedata.normalize("NFKC", character)[0] in _SIGNS
    return False
