"""Exit rules, and the signals they gave."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from simple_history.models import HistoricalRecords

from config.core.fields import AmountField
from portfolio.models import Account
from trades.models.execution import TradeExecution


class ExitRule(models.Model):
    """When one of a user's open trades should be closed (docs/signals.md).

    It applies to every trade that the user sees, or to those of one account, strategy or tag.
    ``band`` is how far the number must come back before the signal is taken back.
    """

    class Kind(models.TextChoices):
        PROFIT_TARGET = "profit_target", "Profit target"
        STOP_LOSS = "stop_loss", "Stop"
        DAYS_TO_EXPIRY = "days_to_expiry", "Days to expiry"
        DELTA_BREACH = "delta_breach", "Delta of a short leg"
        TRAILING = "trailing", "Trailing stop"
        TIME_OF_DAY = "time_of_day", "Time of day"
        ASSIGNMENT_RISK = "assignment_risk", "Assignment risk"

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="exit_rules"
    )
    name = models.CharField(max_length=64)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    threshold = models.FloatField()
    band = models.FloatField(default=0.0)
    account = models.ForeignKey(
        Account, null=True, blank=True, on_delete=models.PROTECT, related_name="exit_rules"
    )
    strategy = models.CharField(max_length=24, blank=True)
    tag = models.CharField(max_length=32, blank=True)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords(table_name="exit_rules_history")

    class Meta:
        db_table = "exit_rules"
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="exit_rule_one_of_a_name")
        ]

    def __str__(self) -> str:
        return self.name


class ExitSignal(models.Model):
    """A rule's word on a trade: one row for each pair, so it fires once.

    It refers to the execution that opened the trade, in its first revision. ``receded``: the number
    came back by more than the rule's band; the same row becomes active again without another alert.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        RECEDED = "receded", "Receded"
        EXECUTED = "executed", "Executed"

    rule = models.ForeignKey(ExitRule, on_delete=models.CASCADE, related_name="signals")
    opening = models.ForeignKey(
        TradeExecution, on_delete=models.PROTECT, related_name="exit_signals"
    )
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="exit_signals")
    underlying = models.CharField(max_length=32)
    status = models.CharField(max_length=8, choices=Status.choices)
    value = models.FloatField(help_text="The number when it fired, in the rule's unit.")
    fired_at = models.DateTimeField()
    executed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "exit_signals"
        ordering = ["-fired_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["opening", "rule"], name="exit_signal_fires_once")
        ]
        indexes = [
            models.Index(fields=["account", "status", "-fired_at"]),
            models.Index(fields=["status", "-fired_at"]),
            models.Index(fields=["underlying"]),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.status}"


class TradePeak(models.Model):
    """The best profit that an open trade has shown: what a trailing stop trails."""

    opening = models.OneToOneField(
        TradeExecution, primary_key=True, on_delete=models.CASCADE, related_name="peak"
    )
    best = AmountField()
    at = models.DateTimeField()

    class Meta:
        db_table = "trade_peaks"

    def __str__(self) -> str:
        return f"{self.best.normalize():f}"
