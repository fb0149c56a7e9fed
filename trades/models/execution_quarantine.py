from __future__ import annotations

from django.db import models

from portfolio.models import Account
from portfolio.models.account import BROKER_CHOICES


class QuarantinedExecution(models.Model):
    """A row of a broker or a file that could not be recorded, with the reason.

    Kept until it is resolved: a retry takes it, or what it waits for arrives. ``account`` is empty
    if the row names an account that is not on this desk.
    """

    account = models.ForeignKey(
        Account, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    broker = models.CharField(max_length=8, choices=BROKER_CHOICES)
    account_number = models.CharField(max_length=48, blank=True)
    kind = models.CharField(max_length=24)
    reason = models.CharField(max_length=255)
    payload = models.JSONField(default=dict)
    fingerprint = models.CharField(max_length=64)
    source = models.CharField(max_length=24)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    times_seen = models.PositiveIntegerField(default=1)
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "execution_quarantine"
        constraints = [
            models.UniqueConstraint(
                fields=["broker", "fingerprint"], name="execution_quarantine_unique"
            )
        ]
        indexes = [models.Index(fields=["account", "kind"])]
        ordering = ["-last_seen_at"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"
