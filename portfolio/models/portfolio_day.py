"""What a portfolio was worth at the end of each session, and how it changed in it."""

from __future__ import annotations

from django.db import models

from config.core.fields import AmountField
from portfolio.models.account import Portfolio


class PortfolioDay(models.Model):
    """A portfolio's last figures of one session.

    ``noticed_steps`` is the farthest move its owner was told of, in whole steps of
    ``Portfolio.notice_percent``; negative for a loss.
    """

    portfolio = models.ForeignKey(Portfolio, on_delete=models.CASCADE, related_name="days")
    session_date = models.DateField()
    currency = models.CharField(max_length=8, blank=True)
    value = AmountField(null=True, blank=True)
    daily_change = AmountField(null=True, blank=True)
    daily_change_percent = models.DecimalField(
        max_digits=12, decimal_places=4, null=True, blank=True
    )
    last_updated = models.DateTimeField()
    noticed_steps = models.IntegerField(default=0, editable=False)
    summarised_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "portfolio_days"
        ordering = ["-session_date"]
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "session_date"], name="portfolio_day_one_a_session"
            )
        ]

    def __str__(self) -> str:
        return f"{self.portfolio_id} on {self.session_date}"
