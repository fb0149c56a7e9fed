from __future__ import annotations

from django.db import models

from config.core.fields import AmountField
from trades.models.execution import TradeExecution


class EntryContext(models.Model):
    """What was known at the instant of one opening or closing fill (docs/contexts.md).

    Each group of numbers has its source and as-of time, never after the fill; an empty source means
    that the group was not known. Greeks are of one long contract per unit of the underlying; the
    book's totals are signed money, as in ``account_history``.
    """

    class Captured(models.TextChoices):
        LIVE = "live", "When the fill was recorded"
        REBUILT = "rebuilt", "From history"

    execution = models.OneToOneField(
        TradeExecution, on_delete=models.CASCADE, primary_key=True, related_name="context"
    )
    captured = models.CharField(max_length=8, choices=Captured.choices)
    captured_at = models.DateTimeField()
    dte = models.IntegerField(null=True, blank=True, help_text="Calendar days to expiry.")

    delta = models.FloatField(null=True, blank=True)
    gamma = models.FloatField(null=True, blank=True)
    theta = models.FloatField(null=True, blank=True)
    vega = models.FloatField(null=True, blank=True)
    implied_volatility = models.FloatField(null=True, blank=True)
    greeks_source = models.CharField(max_length=24, blank=True)
    greeks_as_of = models.DateTimeField(null=True, blank=True)

    underlying_price = AmountField(null=True, blank=True)
    underlying_source = models.CharField(max_length=24, blank=True)
    underlying_as_of = models.DateTimeField(null=True, blank=True)

    iv_rank = models.FloatField(null=True, blank=True, help_text="0 to 1, of the last year.")
    iv_rank_source = models.CharField(max_length=24, blank=True, help_text="The index ranked.")
    iv_rank_as_of = models.DateTimeField(null=True, blank=True)

    net_liquidation = AmountField(null=True, blank=True)
    book_dollar_delta = models.FloatField(null=True, blank=True)
    book_dollar_gamma = models.FloatField(null=True, blank=True)
    book_theta = models.FloatField(null=True, blank=True)
    book_vega = models.FloatField(null=True, blank=True)
    book_source = models.CharField(max_length=24, blank=True)
    book_as_of = models.DateTimeField(null=True, blank=True)

    regime = models.CharField(max_length=12, blank=True)
    regime_source = models.CharField(max_length=24, blank=True, help_text="The index it is of.")
    regime_rule = models.PositiveSmallIntegerField(null=True, blank=True)
    regime_as_of = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "entry_contexts"

    def __str__(self) -> str:
        return f"Context of fill {self.execution_id}"
