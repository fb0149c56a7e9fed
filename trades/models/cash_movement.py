from __future__ import annotations

from django.db import models

from config.core.fields import AmountField
from portfolio.domain import CashKind
from portfolio.models import Account
from portfolio.models.account import BROKER_CHOICES


class CashMovementRow(models.Model):
    """Cash in or out outside a fill: deposits, dividends, interest, fees. A credit is positive.

    Without them no return can be time-weighted. Never deleted.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="cash_movements")
    broker = models.CharField(max_length=8, choices=BROKER_CHOICES)
    broker_movement_id = models.CharField(max_length=80)
    kind = models.CharField(max_length=24, choices=[(k.value, k.value) for k in CashKind])
    amount = AmountField()
    currency = models.CharField(max_length=8)
    moved_at = models.DateTimeField()
    symbol = models.CharField(max_length=64, blank=True)
    description = models.CharField(max_length=255, blank=True)
    fingerprint = models.CharField(max_length=64, db_index=True)
    source = models.CharField(max_length=24)
    raw_payload = models.JSONField(default=dict)
    recorded_at = models.DateTimeField()

    class Meta:
        db_table = "cash_movements"
        verbose_name = "cash movement"
        constraints = [
            models.UniqueConstraint(
                fields=["broker", "broker_movement_id"], name="cash_movement_unique_by_broker"
            )
        ]
        indexes = [
            models.Index(fields=["-moved_at", "-id"]),
            models.Index(fields=["account", "-moved_at"]),
        ]
        ordering = ["-moved_at", "-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount.normalize():f} {self.currency}"
