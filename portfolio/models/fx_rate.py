from __future__ import annotations

from django.db import models

from config.core.fields import AmountField


class FxRate(models.Model):
    """Units of ``base`` for one unit of ``quote`` currency: the latest known."""

    base = models.CharField(max_length=8)
    quote = models.CharField(max_length=8)
    rate = AmountField()
    as_of = models.DateTimeField()
    source = models.CharField(max_length=24)

    class Meta:
        db_table = "fx_rates"
        constraints = [
            models.UniqueConstraint(fields=["base", "quote"], name="fx_rate_unique_by_pair")
        ]

    def __str__(self) -> str:
        return f"{self.quote}→{self.base} {self.rate}"
