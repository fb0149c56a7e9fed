"""Form fields for numbers and times that accept only the digits 0 to 9.

Django's own also accept other scripts' digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError

from config.core.clock import YEARS

if TYPE_CHECKING:
    Parsed = forms.Field
else:
    Parsed = object


class _OurDigits(Parsed):
    """Refuse text with other characters before parsing."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and not value.isascii():
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class DecimalField(_OurDigits, forms.DecimalField):
    """A decimal number."""


class FloatField(_OurDigits, forms.FloatField):
    """A float64 number."""


class IntegerField(_OurDigits, forms.IntegerField):
    """A whole number."""


class DateField(_OurDigits, forms.DateField):
    """A day that has a day before and after it, in every zone."""

    def to_python(self, value: Any) -> Any:
        day = super().to_python(value)
        if day is not None and day.year not in YEARS:
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return day


class TimeField(_OurDigits, forms.TimeField):
    """A time of day."""
