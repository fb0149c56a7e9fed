"""Shared column types: precision is defined once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models

if TYPE_CHECKING:
    DecimalColumn = models.DecimalField[Any, Any]
else:
    DecimalColumn = models.DecimalField


class AmountField(DecimalColumn):
    """Money, price or quantity: Decimal(20, 8)."""

    defaults: ClassVar[Mapping[str, Any]] = {"max_digits": 20, "decimal_places": 8}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**self.defaults, **kwargs})


class GreekField(AmountField):
    """A Greek for display: Decimal(15, 6). Compute with the ``*_raw`` float64 column."""

    defaults = {"max_digits": 15, "decimal_places": 6, "null": True, "blank": True}


class VolatilityField(AmountField):
    """Implied volatility as a fraction, for display: Decimal(8, 4)."""

    defaults = {"max_digits": 8, "decimal_places": 4, "null": True, "blank": True}
