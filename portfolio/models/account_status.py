from __future__ import annotations

from django.db import models

from config.core.fields import AmountField
from portfolio.models.account import Account


class StatusColumns(models.Model):
    """The money of an account in its base currency. Missing is NULL."""

    net_liquidation = AmountField(null=True, blank=True)
    buying_power = AmountField(null=True, blank=True)
    excess_liquidity = AmountField(null=True, blank=True)
    maint_margin = AmountField(null=True, blank=True)
    unrealized_pnl = AmountField(null=True, blank=True)
    realized_pnl = AmountField(null=True, blank=True)

    class Meta:
        abstract = True


class AccountStatus(StatusColumns):
    """The account's last good summary."""

    account = models.OneToOneField(
        Account,
        on_delete=models.CASCADE,
        primary_key=True,
        db_column="account_id",
        related_name="status",
    )
    cash = AmountField(null=True, blank=True)
    initial_margin = AmountField(null=True, blank=True)
    currency = models.CharField(max_length=8)
    source = models.CharField(max_length=24)
    # The sum over positions if the broker gives no unrealized P&L.
    unrealized_pnl_source = models.CharField(max_length=24, blank=True)
    as_of = models.DateTimeField()
    timestamp = models.DateTimeField(help_text="When this row was written.")

    class Meta:
        db_table = "account_status_cache"
        verbose_name_plural = "account statuses"

    def __str__(self) -> str:
        return f"{self.account_id} at {self.as_of:%Y-%m-%d %H:%M:%S}"
