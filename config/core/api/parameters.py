"""Strict query parameters: undeclared ones are rejected, invalid ones named."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from django.http import QueryDict

from config.core.clock import YEARS
from config.core.errors import InvalidInput, invalid

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:|@ /-]{0,63}")
#: Types of parameters in the OpenAPI document, by the getter that reads them.
IDENTIFIER = {"type": "string", "pattern": f"^{_IDENTIFIER.pattern}$"}
POSITIVE = {"type": "integer", "format": "int64", "minimum": 1, "maximum": 2**63 - 1}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Fits into a column of 64 bits; ``str.isdigit`` would take ``²``, and ``int`` fails on long texts.
_WHOLE = re.compile(r"[0-9]{1,18}")

Choice = TypeVar("Choice", bound=str)


def whole_number(text: str) -> int | None:
    """Return the number that a caller's text holds; ``None`` unless it is one to 18 digits."""
    return int(text) if _WHOLE.fullmatch(text) else None


class QueryParameters:
    """The parameters of one request. Each getter raises ``InvalidInput`` naming its field.

    >>> parameters = QueryParameters(request.GET, allowed={"account_id", "resolution"})
    >>> parameters.choice("resolution", ("minute", "day"), default="minute")
    """

    def __init__(self, values: QueryDict | Mapping[str, str], *, allowed: Collection[str]) -> None:
        unknown = [name for name in values if name not in allowed]
        if unknown:
            known = ", ".join(sorted(allowed)) or "none"
            raise InvalidInput(
                "Unknown parameter: " + ", ".join(_shown(name) for name in sorted(unknown)) + ".",
                fields={_shown(name): f"Not a parameter here. Known: {known}." for name in unknown},
            )
        if isinstance(values, QueryDict):
            for name, given in values.lists():
                if len(given) > 1:
                    raise invalid(str(name), "Given more than once.")
        self._values = values

    @classmethod
    def of_form(cls, values: QueryDict, *, allowed: Collection[str]) -> QueryParameters:
        """Return the parameters of a page with a form: what was left blank counts as absent."""
        given = values.copy()
        for name in [name for name, value in values.items() if not str(value).strip()]:
            del given[name]
        return cls(given, allowed=allowed)

    def text(self, name: str, *, maximum_length: int = 64) -> str | None:
        """Return the raw value, or ``None`` if absent. Empty, too long or unprintable text is
        rejected."""
        value = self._values.get(name)
        if value is None:
            return None
        text = str(value).strip()
        if not text:
            raise invalid(name, "Empty.")
        if len(text) > maximum_length:
            raise invalid(name, f"Longer than {maximum_length} characters.")
        if not text.isprintable():
            raise invalid(name, "Holds characters that cannot be printed.")
        return text

    def identifier(self, name: str) -> str | None:
        """An id: letters, digits and ``. _ : | @ / -`` or spaces, at most 64 characters."""
        text = self.text(name)
        if text is not None and not _IDENTIFIER.fullmatch(text):
            raise invalid(name, "Not an identifier.")
        return text

    def boolean(self, name: str, *, default: bool) -> bool:
        text = self.text(name)
        if text is None:
            return default
        if text.lower() in _TRUE:
            return True
        if text.lower() in _FALSE:
            return False
        raise invalid(name, "Expected true or false.")

    def choice(self, name: str, choices: Collection[Choice], *, default: Choice) -> Choice:
        """Return one of ``choices``: values of a ``Literal`` or an enumeration."""
        text = self.text(name)
        if text is None:
            return default
        for choice in choices:
            if text == str(choice):
                return choice
        raise invalid(name, "Expected one of: " + ", ".join(str(one) for one in choices) + ".")

    def integer(self, name: str, *, default: int, minimum: int, maximum: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        if whole_number(text.removeprefix("-")) is None:
            raise invalid(name, "Expected a whole number.")
        if not minimum <= int(text) <= maximum:
            raise invalid(name, f"Expected {minimum} to {maximum}.")
        return int(text)

    def decimal(
        self, name: str, *, minimum: Decimal | None = None, maximum: Decimal | None = None
    ) -> Decimal | None:
        """Return a finite decimal number, or ``None`` if absent."""
        text = self.text(name)
        if text is None:
            return None
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise invalid(name, "Expected a number.") from None
        # Python reads other scripts' digits and 1_000 as numbers too.
        if not number.is_finite() or not text.isascii() or "_" in text:
            raise invalid(name, "Expected a number.")
        if minimum is not None and number < minimum:
            raise invalid(name, f"Expected at least {minimum}.")
        if maximum is not None and number > maximum:
            raise invalid(name, f"Expected at most {maximum}.")
        return number

    def date(self, name: str) -> datetime.date | None:
        """Return a day given as ``YYYY-MM-DD``, or ``None`` if absent."""
        text = self.text(name)
        if text is None:
            return None
        if not _DATE.fullmatch(text):
            raise invalid(name, "Expected YYYY-MM-DD.")
        try:
            day = datetime.date.fromisoformat(text)
        except ValueError:
            raise invalid(name, "No such day.") from None
        if day.year not in YEARS:
            raise invalid(name, f"Expected a year from {YEARS[0]} to {YEARS[-1]}.")
        return day

    def date_range(
        self, *, today: datetime.date, default_days: int = 30, maximum_days: int = 3660
    ) -> tuple[datetime.date, datetime.date]:
        """Return ``start`` and ``end``, both included; the last ``default_days`` days if absent."""
        end = self.date("end") or today
        start = self.date("start")
        if start is None:
            start = end - datetime.timedelta(days=default_days - 1)
        if start > end:
            raise invalid("start", "After the end.")
        if (end - start).days >= maximum_days:
            raise invalid("start", f"The range is longer than {maximum_days} days.")
        return start, end


def _shown(name: str) -> str:
    """Shorten a caller's text so it is safe to repeat to them."""
    return re.sub(r"[^\w.\[\]-]", "?", name, flags=re.ASCII)[:40] or "?"
