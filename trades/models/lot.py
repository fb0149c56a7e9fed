from __future__ import annotations

from django.db import models

from config.core.fields import AmountField
from greeks.models import Instrument
from portfolio.domain import ExecutionKind
from portfolio.models import Account
from trades.models.execution import TradeExecution


class TradeLot(models.Model):
    """What one fill opened, as far as it is open, or a part of it that one fill closed.

    Computed from the executions and replaced whenever they change: nothing refers to a lot by id.
    ``quantity`` has the lot's sign. Without a known opening fill there is no basis and no profit.
    What ended by a ``ProvisionalClose`` has ``closed_at`` and no ``closed_by``.
    """

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="lots", db_index=False
    )
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+")
    opened_by = models.ForeignKey(
        TradeExecution, null=True, on_delete=models.PROTECT, related_name="opened_lots"
    )
    closed_by = models.ForeignKey(
        TradeExecution, null=True, on_delete=models.PROTECT, related_name="closed_lots"
    )
    opened_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    closed_kind = models.CharField(
        max_length=24, blank=True, choices=[(k.value, k.value) for k in ExecutionKind]
    )
    currency = models.CharField(max_length=8)
    awaiting = models.BooleanField(
        default=False, help_text="Closed provisionally, at expiry: the broker has not told yet."
    )
    quantity = AmountField()
    open_price = AmountField(null=True)
    close_price = AmountField(null=True)
    open_costs = AmountField(null=True)
    close_costs = AmountField(null=True)
    gross = AmountField(null=True, help_text="Realised before costs; empty while open.")
    net = AmountField(null=True, help_text="Realised after costs; empty while open.")

    class Meta:
        db_table = "trade_lots"
        indexes = [
            models.Index(fields=["account", "instrument"]),
            models.Index(fields=["account", "closed_at"]),
        ]
        ordering = ["opened_at", "id"]

    def __str__(self) -> str:
        return f"{self.quantity.normalize():f} × {self.instrument_id}"
