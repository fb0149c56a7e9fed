from __future__ import annotations

from decimal import Decimal

from django.db import models

from config.core.fields import AmountField
from greeks.models import Instrument
from portfolio.domain import ExecutionKind, Side
from portfolio.models import Account
from portfolio.models.account import BROKER_CHOICES


class TradeExecution(models.Model):
    """One fill, or another event that changes a position. The permanent record.

    Never deleted. After it is written only what completes it changes: costs, the broker's other
    ids, an unknown side, and whether a correction or a cancel has replaced it. The account and the
    instrument are protected: neither can be deleted while it has executions.
    """

    # Each index beside the key is written for every fill: none that another one begins with.
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="executions", db_index=False
    )
    broker = models.CharField(max_length=8, choices=BROKER_CHOICES)
    broker_execution_id = models.CharField(
        max_length=80,
        help_text="The broker's execution id; else T: and its transaction, D: and its trade, or "
        "F:, what the row says and its number among equal rows.",
    )
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="executions")
    symbol = models.CharField(max_length=64)
    kind = models.CharField(max_length=24, choices=[(k.value, k.value) for k in ExecutionKind])
    side = models.CharField(
        max_length=4,
        blank=True,
        choices=[(side.value, side.value) for side in Side],
        help_text="Empty if the broker does not say which side it removed.",
    )
    quantity = AmountField()
    price = AmountField(null=True, blank=True)
    execution_time = models.DateTimeField()
    position_effect = models.CharField(max_length=5, blank=True)
    order_id = models.CharField(max_length=64, blank=True)
    currency = models.CharField(max_length=8)
    commission = AmountField(null=True, blank=True)
    fees = AmountField(null=True, blank=True)
    value = AmountField(null=True, blank=True)
    net_value = AmountField(null=True, blank=True)
    broker_realized_pnl = AmountField(null=True, blank=True)
    transaction_id = models.CharField(max_length=64, blank=True)
    trade_id = models.CharField(max_length=64, blank=True)
    exec_root = models.CharField(max_length=80, help_text="The id without its revision.")
    revision = models.PositiveIntegerField(default=0)
    superseded = models.BooleanField(
        default=False, help_text="A later revision of the same root replaces it."
    )
    cancelled_by = models.CharField(
        max_length=64, blank=True, help_text="The broker's id of the cancel."
    )
    fingerprint = models.CharField(max_length=64)
    source = models.CharField(max_length=24)
    raw_payload = models.JSONField(default=dict)
    recorded_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "trade_executions"
        constraints = [
            models.UniqueConstraint(
                fields=["broker", "broker_execution_id"], name="execution_unique_by_broker"
            ),
            models.CheckConstraint(
                name="execution_quantity_positive", condition=models.Q(quantity__gt=0)
            ),
        ]
        indexes = [
            models.Index(fields=["-execution_time", "-id"]),
            models.Index(fields=["account", "-execution_time"]),
            models.Index(fields=["account", "instrument", "execution_time"]),
            models.Index(fields=["account", "kind", "execution_time"]),
            models.Index(fields=["exec_root"]),
            models.Index(fields=["fingerprint"]),
            models.Index(fields=["transaction_id"], condition=~models.Q(transaction_id=""),
                         name="execution_by_transaction"),
            models.Index(fields=["trade_id"], condition=~models.Q(trade_id=""),
                         name="execution_by_trade"),
        ]  # fmt: skip
        ordering = ["-execution_time", "-id"]

    def __str__(self) -> str:
        return f"{self.side or self.kind} {self.quantity.normalize():f} {self.symbol}"

    @property
    def signed_quantity(self) -> Decimal:
        """Bought is positive; an unknown side counts as it was sent."""
        quantity: Decimal = self.quantity
        return -quantity if self.side == Side.SELL.value else quantity

    @property
    def is_live(self) -> bool:
        """Whether it counts: neither replaced nor cancelled."""
        return not self.superseded and not self.cancelled_by
