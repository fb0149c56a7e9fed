from __future__ import annotations

from django.db import models

from config.core.fields import AmountField
from trades.models.execution import TradeExecution


class TradeMarks(models.Model):
    """What the marks say of a closed trade's life (docs/statistics.md). Money after entry costs.

    Belongs to the trade that an execution opens. ``closed_at`` and ``net`` are those of the trade
    when this was computed: if they have changed since, it is computed again. ``exits`` maps
    ``25``, ``50``, ``75`` (percent of the maximum profit) and ``21`` (days to expiry) to the money
    that closing at the first such mark would have given.
    """

    opening = models.OneToOneField(
        TradeExecution, primary_key=True, on_delete=models.CASCADE, related_name="marks"
    )
    closed_at = models.DateTimeField()
    net = AmountField()
    seen = models.PositiveIntegerField(help_text="Minutes with a mark of every leg.")
    expected = models.PositiveIntegerField(help_text="Minutes of sessions while it was open.")
    worst = models.FloatField(null=True, blank=True, help_text="Maximum adverse excursion.")
    best = models.FloatField(null=True, blank=True, help_text="Maximum favourable excursion.")
    exits = models.JSONField(default=dict)
    computed_at = models.DateTimeField()

    class Meta:
        db_table = "trade_marks"
        verbose_name_plural = "trade marks"

    def __str__(self) -> str:
        return f"Marks of trade {self.opening_id}"
