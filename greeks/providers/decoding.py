"""Shared by every broker's decoders: strict readers of single values and of whole answers.

A decoder is a pure function ``decode_x(row) -> dataclass``. It raises :class:`BadRow` if a
required value is missing or impossible; :func:`decode_rows` turns that into a rejected row, so
rows sent always equal items plus rejected rows.

The rules for one value, the same for every broker:

* ``None``, an empty text, NaN, infinity, the vendors' "unset" number (1.797e308) and their "unset"
  years (1 and 9999) mean missing. Missing becomes ``None``; if the value is ``required`` the row is
  bad.
* A value of the wrong type, text that is no number, a number too large to store, a day outside
  1990–2199, a text with a NUL or too long: the row is bad. We never guess. (In a chain only its
  ``cell`` is missing.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Literal, TypeVar, overload

from config.core.errors import MalformedResponse
from greeks.domain import Fetched, RejectedRow

Item = TypeVar("Item")
Row = Mapping[str, Any]

#: Money, prices and quantities are stored with twelve digits before the point and eight after.
LARGEST_AMOUNT = Decimal(10) ** 12
SMALLEST_STEP = Decimal(1).scaleb(-8)
#: Vendors write the largest double for "not set"; no real value comes near this.
UNSET_EXPONENT = 300
#: Identifiers are stored in 64 characters.
LONGEST_IDENTIFIER = 64
LONGEST_TEXT = 255
_MISSING_WORDS = frozenset({"", "nan", "n/a", "null", "none", "-", "--"})
_UNSET_YEARS = frozenset({date.min.year, date.max.year})
_POSSIBLE_YEARS = range(1990, 2200)


class BadRow(ValueError):
    """One row cannot be used; ``reason`` names the field and its fault."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _shown(value: object) -> str:
    """Return the value as shown in a reason: short and printable."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _number(value: object, field: str) -> Decimal | None:
    """Return a finite number, or ``None`` for missing. Raises BadRow for anything else."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise BadRow(f"{field}: {_shown(value)} is not a number")
    if isinstance(value, str):
        text = value.strip().replace(",", "")
        if text.lower() in _MISSING_WORDS:
            return None
        # Python reads other scripts' digits and 1_000 as numbers too.
        if len(text) > 340 or not text.isascii() or "_" in text:
            raise BadRow(f"{field}: {_shown(value)} is not a number")
    else:
        text = str(value) if not isinstance(value, int) or abs(value) < 10**30 else "1e30"
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise BadRow(f"{field}: {_shown(value)} is not a number") from None
    # By its exponent: arithmetic fails on one without end.
    if not number.is_finite() or number.adjusted() >= UNSET_EXPONENT:
        return None
    return number


@overload
def parse_decimal(value: object, field: str, *, required: Literal[True]) -> Decimal: ...
@overload
def parse_decimal(value: object, field: str, *, required: bool = ...) -> Decimal | None: ...
def parse_decimal(value: object, field: str, *, required: bool = False) -> Decimal | None:
    """Return money, a price or a quantity, at most eight places.

    Accepts numbers and ``"1,234.50"``.
    """
    number = _amount_of_text(value, field) if type(value) is str else _amount(value, field)
    if number is None and required:
        raise BadRow(f"{field}: missing ({_shown(value)})")
    return number


def _amount(value: object, field: str) -> Decimal | None:
    number = _number(value, field)
    if number is None:
        return None
    if abs(number) >= LARGEST_AMOUNT:
        raise BadRow(f"{field}: {_shown(value)} is too large to be true")
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -8:
        number = number.quantize(SMALLEST_STEP)
    return number if number else Decimal(0)


@lru_cache(maxsize=8192)  # Files repeat most of their amounts.
def _amount_of_text(text: str, field: str) -> Decimal | None:
    return _amount(text, field)


def parse_float(value: object, field: str, *, limit: float = 1e12) -> float | None:
    """Return a Greek or a volatility as float64; ``None`` where the vendor has none."""
    # Nearly all are; neither NaN nor infinity is within the limit.
    if type(value) is float and -limit < value < limit:
        return value
    number = _number(value, field)
    if number is None:
        return None
    result = float(number)
    if abs(result) >= limit or not math.isfinite(result):
        raise BadRow(f"{field}: {_shown(value)} is too large to be true")
    return result


def parse_integer(value: object, field: str) -> int | None:
    """Return a whole count such as open interest; ``"1,200"`` and ``1200.0`` are accepted."""
    number = _number(value, field)
    if number is None:
        return None
    if abs(number) >= LARGEST_AMOUNT or number != number.to_integral_value():
        raise BadRow(f"{field}: {_shown(value)} is not a whole number")
    return int(number)


def parse_text(
    value: object, field: str, *, required: bool = False, maximum: int = LONGEST_TEXT
) -> str:
    """Return a text without control characters; missing is the empty text."""
    if value is None:
        value = ""
    if not isinstance(value, str):
        raise BadRow(f"{field}: {_shown(value)} is not a text")
    text = value.strip()
    # Nearly all texts are printable, which is quickly known.
    if not text.isprintable() and any(
        ord(character) < 32 or 0xD800 <= ord(character) <= 0xDFFF for character in text
    ):
        raise BadRow(f"{field}: {_shown(value)} holds control characters")
    if len(text) > maximum:
        raise BadRow(f"{field}: {len(text)} characters, at most {maximum} are possible")
    if required and not text:
        raise BadRow(f"{field}: missing")
    return text


def parse_identifier(
    value: object, field: str, *, required: bool = True, maximum: int = LONGEST_IDENTIFIER
) -> str:
    """Parse an id sent as a number or a text; return text."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**maximum else "9" * (maximum + 1)
    return parse_text(value, field, required=required, maximum=maximum)


def parse_milliseconds(value: object, field: str) -> datetime | None:
    """Parse milliseconds since 1970; aware, UTC."""
    if type(value) is int and 0 < value < 10**14:
        return _from_seconds(value / 1000, value, field)
    number = _number(value, field)
    return None if number is None else _from_seconds(float(number) / 1000, value, field)


def parse_epoch(value: object, field: str) -> datetime | None:
    """Parse seconds or milliseconds since 1970, told apart by size; 0 is missing."""
    number = _number(value, field)
    if not number:
        return None
    return _from_seconds(float(number) / (1000 if number > 10**11 else 1), value, field)


def parse_nanoseconds(value: object, field: str) -> datetime | None:
    """Parse nanoseconds since 1970; aware, UTC; 0 is missing."""
    number = _number(value, field)
    return None if not number else _from_seconds(float(number) / 1e9, value, field)


def _from_seconds(seconds: float, value: object, field: str) -> datetime:
    # The possible years, in seconds: outside them the unit is wrong or the value damaged.
    if not 631_152_000 <= seconds < 7_258_118_400:
        raise BadRow(f"{field}: {_shown(value)} is not a time")
    return datetime.fromtimestamp(seconds, UTC)


def parse_time(value: object, field: str) -> datetime | None:
    """Parse an ISO 8601 time with an offset or ``Z``; without an offset it is UTC."""
    text = parse_text(value, field)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRow(f"{field}: {_shown(value)} is not a time") from None
    if moment.year in _UNSET_YEARS:
        return None
    if moment.year not in _POSSIBLE_YEARS:
        raise BadRow(f"{field}: {_shown(value)} is not a time")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def parse_date(value: object, field: str) -> date | None:
    """Parse a day: ``YYYYMMDD`` (number or text) or ``YYYY-MM-DD``."""
    text = parse_identifier(value, field, required=False)
    if not text or text == "0":
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadRow(f"{field}: {_shown(value)} is not a date") from None
    if day.year in _UNSET_YEARS:
        return None
    if day.year not in _POSSIBLE_YEARS:
        raise BadRow(f"{field}: {_shown(value)} is not a date")
    return day


def storable(value: Any, *, depth: int = 6) -> Any:
    """Return the vendor's value as JSON that every database can store.

    PostgreSQL's jsonb holds no NaN, infinity, NUL or lone surrogate; each becomes readable text.
    """
    if isinstance(value, str):
        if value.isprintable():
            return value
        text = value.replace("\x00", "\\u0000")
        return text.encode("utf-8", "backslashreplace").decode()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if depth and isinstance(value, Mapping):
        if _is_plain(value):
            return dict(value)
        return {
            storable(str(key), depth=0): storable(inner, depth=depth - 1)
            for key, inner in value.items()
        }
    if depth and isinstance(value, list | tuple):
        return [storable(inner, depth=depth - 1) for inner in value]
    return storable(_shown(value), depth=0)


def _is_plain(row: Mapping[Any, Any]) -> bool:
    try:
        return "".join((*row, *row.values())).isprintable()
    except TypeError:
        return False


def rejected_row(kind: str, reason: str, row: object) -> RejectedRow:
    """Return a row for the quarantine: its kind, the reason, and what was sent."""
    payload = storable(row) if isinstance(row, Mapping) else {"row": storable(row)}
    return RejectedRow(kind=kind, reason=reason, payload=payload)


def rows_of(answer: object, *, provider: str, what: str) -> list[Any]:
    """Return the answer as a list of rows. Raises MalformedResponse if it is anything else."""
    if not isinstance(answer, list):
        told = f"{what}: expected a list, got {type(answer).__name__}"
        raise MalformedResponse(told, provider=provider)
    return answer


def decode_rows(
    rows: object,
    decode: Callable[[Row], Item],
    *,
    kind: str,
    source: str,
    as_of: datetime,
) -> Fetched[Item]:
    """Decode every row of a complete answer; keep bad ones as rejected, with the reason.

    ``kind`` names the quarantine's rows (``position``, …). Raises MalformedResponse without a list.
    """
    items: list[Item] = []
    rejected: list[RejectedRow] = []
    for row in rows_of(rows, provider=source, what=f"{kind} rows"):
        if not isinstance(row, Mapping):
            rejected.append(rejected_row(kind, f"{_shown(row)} is not an object", row))
            continue
        try:
            items.append(decode(row))
        except BadRow as error:
            rejected.append(rejected_row(kind, error.reason, row))
    return Fetched(items=tuple(items), rejected=tuple(rejected), source=source, as_of=as_of)
