from __future__ import annotations

from django.db import models

from portfolio.models.account import Account
from portfolio.models.account_status import StatusColumns


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
