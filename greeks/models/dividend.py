from __future__ import annotations

from django.db import models

from config.core.fields import AmountField


class Dividend(models.Model):
    """A cash dividend per share, announced or expected, by its ex-date at the exchange.

    Option models use it as known; for an underlying without any, a dividend yield from put-call
    parity stands in.
    """

    underlying = models.CharField(max_length=32)
    ex_date = models.DateField(help_text="First day that trades without the dividend.")
    amount = AmountField(help_text="Per share, in the currency of the underlying's options.")
    currency = models.CharField(max_length=8)
    source = models.CharField(max_length=24, help_text="Who said so: a provider, or “set”.")
    as_of = models.DateTimeField(help_text="When it was known.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["underlying", "currency", "ex_date"], name="dividend_unique_by_ex_date"
            ),
            models.CheckConstraint(
                name="dividend_amount_positive", condition=models.Q(amount__gt=0)
            ),
        ]
        ordering = ["underlying", "ex_date"]

    def __str__(self) -> str:
        return f"{self.underlying} {self.ex_date:%Y-%m-%d} {self.amount.normalize():f}"
