from __future__ import annotations

from django.db import models

from config.core.fields import AmountField


class IndexClose(models.Model):
    """A published daily close of an index that regimes are computed from. Never deleted."""

    symbol = models.CharField(max_length=16)
    session_date = models.DateField()
    close = AmountField()
    source = models.CharField(max_length=24)
    as_of = models.DateTimeField(help_text="When the file was read.")

    class Meta:
        db_table = "index_closes"
        constraints = [
            models.UniqueConstraint(
                fields=["symbol", "session_date"], name="index_close_one_row_a_day"
            ),
            models.CheckConstraint(name="index_close_positive", condition=models.Q(close__gt=0)),
        ]
        ordering = ["symbol", "-session_date"]

    def __str__(self) -> str:
        return f"{self.symbol} {self.session_date:%Y-%m-%d} {self.close.normalize():f}"


class RegimeDay(models.Model):
    """The regime of a volatility index after one session's close (docs/regimes.md).

    It holds from ``timestamp`` on, so for fills of the days after ``session_date``. Percentiles and
    the rank are 0 to 1. Missing inputs are NULL.
    """

    class Regime(models.TextChoices):
        CALM = "calm", "Calm"
        NORMAL = "normal", "Normal"
        ELEVATED = "elevated", "Elevated"
        STRESSED = "stressed", "Stressed"

    symbol = models.CharField(max_length=16)
    session_date = models.DateField()
    timestamp = models.DateTimeField(help_text="Close of the session, from which it was known.")
    regime = models.CharField(max_length=12, choices=Regime.choices)
    rule_version = models.PositiveSmallIntegerField()
    level = models.FloatField()
    percentile = models.FloatField(null=True, blank=True)
    rank = models.FloatField(null=True, blank=True)
    three_month_ratio = models.FloatField(
        null=True, blank=True, help_text="The index over its three-month one; above 1: inverted."
    )
    nine_day_ratio = models.FloatField(
        null=True, blank=True, help_text="The nine-day index over the index."
    )
    realised_volatility = models.FloatField(null=True, blank=True)
    realised_percentile = models.FloatField(null=True, blank=True)
    source = models.CharField(max_length=24)
    as_of = models.DateTimeField(help_text="When the last input was read.")

    class Meta:
        db_table = "regime_history"
        constraints = [
            models.UniqueConstraint(
                fields=["symbol", "session_date", "rule_version"], name="regime_one_row_a_day"
            )
        ]
        ordering = ["symbol", "-session_date"]

    def __str__(self) -> str:
        return f"{self.symbol} {self.session_date:%Y-%m-%d} {self.regime}"
