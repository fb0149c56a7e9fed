from __future__ import annotations

from django.db import models

from config.core.fields import AmountField
from portfolio.domain import OrderStatus
from portfolio.models.account import Account


class Order(models.Model):
    """An order of the day as the broker reports it. Rows the broker no longer lists are removed."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="orders")
    broker_order_id = models.CharField(max_length=64)
    symbol = models.CharField(max_length=64, blank=True)
    description = models.CharField(max_length=160, blank=True)
    status = models.CharField(max_length=20, choices=[(s.value, s.value) for s in OrderStatus])
    order_type = models.CharField(max_length=24, blank=True)
    time_in_force = models.CharField(max_length=16, blank=True)
    quantity = AmountField(null=True, blank=True)
    filled_quantity = AmountField(null=True, blank=True)
    limit_price = AmountField(null=True, blank=True)
    legs = models.JSONField(default=list)
    placed_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=24)
    as_of = models.DateTimeField()
    raw_json = models.JSONField(default=dict, blank=True)

    class Meta:
        db_table = "orders"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "broker_order_id"], name="order_unique_in_account"
            )
        ]
        ordering = ["-placed_at", "-id"]

    def __str__(self) -> str:
        return f"{self.broker_order_id} {self.status}"
