from __future__ import annotations

from django.db import models

from config.core.fields import AmountField


class DailyClose(models.Model):
    """The closing price of an underlying on one trading day, for betas and value at risk."""

    symbol = models.CharField(max_length=32)
    session_date = models.DateField()
    close = AmountField()
    source = models.CharField(max_length=24)
    as_of = models.DateTimeField()

    class Meta:
        db_table = "daily_closes"
        constraints = [
            models.UniqueConstraint(
                fields=["symbol", "session_date"], name="daily_close_one_row_a_day"
            ),
            models.CheckConstraint(name="daily_close_positive", condition=models.Q(close__gt=0)),
        ]
        indexes = [models.Index(fields=["session_date"])]
        ordering = ["symbol", "-session_date"]

    def __str__(self) -> str:
        return f"{self.symbol} {self.session_date:%Y-%m-%d} {self.close.normalize():f}"


class Beta(models.Model):
    """An underlying's return per unit of the benchmark's return.

    A manual beta overrides the one from history; both are kept, so deleting it restores history's.
    """

    class Source(models.TextChoices):
        SET = "set", "Set by hand"
        HISTORY = "history", "From daily closes"

    symbol = models.CharField(max_length=32)
    benchmark = models.CharField(max_length=32)
    value = models.FloatField()
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.SET)
    observations = models.PositiveIntegerField(
        null=True, blank=True, help_text="Daily returns of both that it was computed from."
    )
    as_of = models.DateTimeField()

    class Meta:
        db_table = "betas"
        constraints = [
            models.UniqueConstraint(
                fields=["symbol", "benchmark", "source"], name="beta_unique_by_source"
            ),
            models.CheckConstraint(
                name="beta_possible", condition=models.Q(value__gte=-100, value__lte=100)
            ),
        ]
        ordering = ["symbol", "benchmark", "source"]

    def __str__(self) -> str:
        return f"{self.symbol} × {self.value:.2f} {self.benchmark}"
