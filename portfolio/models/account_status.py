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


class BookTotals(StatusColumns):
    """An account's summary with its book's totals: signed, × quantity × multiplier, float64.

    ``positions_without_greeks`` counts legs whose Greeks were missing and are not in the totals.
    """

    dollar_delta = models.FloatField(null=True, blank=True)
    dollar_gamma = models.FloatField(null=True, blank=True)
    theta = models.FloatField(null=True, blank=True)
    vega = models.FloatField(null=True, blank=True)
    positions = models.PositiveIntegerField(default=0)
    positions_without_greeks = models.PositiveIntegerField(default=0)
    source = models.CharField(max_length=24)
    as_of = models.DateTimeField()

    class Meta:
        abstract = True


class AccountHistory(BookTotals):
    """One row a minute: the last complete sync of that minute."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="history")
    minute = models.DateTimeField()
    session_date = models.DateField()

    class Meta:
        db_table = "account_history"
        verbose_name_plural = "account history"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "minute"], name="account_history_one_row_a_minute"
            )
        ]
        indexes = [models.Index(fields=["account", "session_date", "minute"])]

    def __str__(self) -> str:
        return f"{self.account_id} {self.minute:%Y-%m-%d %H:%M}"


class AccountDay(BookTotals):
    """One row per day, overwritten by each sync: it ends with the closing values."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="days")
    session_date = models.DateField()
    opening_net_liquidation = models.DecimalField(
        max_digits=20, decimal_places=8, null=True, blank=True
    )

    class Meta:
        db_table = "account_days"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "session_date"], name="account_day_one_row_a_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.session_date:%Y-%m-%d}"
