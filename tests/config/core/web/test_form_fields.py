"""Numbers and times of forms are written with the digits 0 to 9."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal

import pytest
from django import forms
from django.core.exceptions import ValidationError

from config.core.web import form_fields

FIELDS = [
    (form_fields.DecimalField(), "1.5", Decimal("1.5"), ["١.٥", "１.5", "1٫5", "२"]),
    (form_fields.FloatField(), "-2", -2.0, ["-٢", "−2", "２"]),
    (form_fields.IntegerField(), "12", 12, ["１２", "1٢", "๑"]),
    (form_fields.DateField(), "2026-01-02", date(2026, 1, 2), ["２０２６-01-02", "2026-01-0٢"]),
    (form_fields.TimeField(), "12:30", time(12, 30), ["1２:30", "12:3٠"]),
]


@pytest.mark.parametrize(("field", "text", "value", "others"), FIELDS)
def test_other_digits_are_refused(
    field: forms.Field, text: str, value: object, others: list[str]
) -> None:
    assert field.clean(text) == value
    for other in others:
        with pytest.raises(ValidationError):
            field.clean(other)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_day_whose_neighbours_may_not_exist_is_refused(day: str) -> None:
    with pytest.raises(ValidationError):
        form_fields.DateField().clean(day)
