from __future__ import annotations

from django.db import models

from portfolio.models.account import Account


class QuarantinedRow(models.Model):
    """A provider's row that failed validation, kept with the reason for inspection.

    Seeing the same bad row again increments ``times_seen``.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="quarantined")
    kind = models.CharField(max_length=24)
    reason = models.CharField(max_length=255)
    payload = models.JSONField(default=dict)
    fingerprint = models.CharField(max_length=64)
    source = models.CharField(max_length=24)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    times_seen = models.PositiveIntegerField(default=1)

    class Meta:
        db_table = "quarantined_rows"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "fingerprint"], name="quarantine_unique_in_account"
            )
        ]
        ordering = ["-last_seen_at"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"
