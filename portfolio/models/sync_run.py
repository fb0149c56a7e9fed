from __future__ import annotations

import uuid

from django.db import models

from portfolio.models.account import Account


class SyncRun(models.Model):
    """One attempt to sync one account: its steps, progress and outcome."""

    class Step(models.TextChoices):
        QUEUED = "queued", "Waiting for a worker"
        SUMMARY = "summary", "Account summary"
        POSITIONS = "positions", "Positions"
        ORDERS = "orders", "Orders"
        GREEKS = "greeks", "Greeks"
        SAVING = "saving", "Saving"
        DONE = "done", "Done"

    class Outcome(models.TextChoices):
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        PARTIAL = "partial", "Partly succeeded"
        UNCONFIRMED = "unconfirmed", "Unconfirmed empty book"
        FAILED = "failed", "Failed"

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", "Schedule"
        COMMAND = "command", "Command"
        REQUEST = "request", "Request"
        STALE = "stale", "Stale page"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="sync_runs")
    trigger = models.CharField(max_length=8, choices=Trigger.choices)
    requested_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    step = models.CharField(max_length=10, choices=Step.choices, default=Step.QUEUED)
    progress = models.PositiveSmallIntegerField(default=0, help_text="Percent, 0 to 100.")
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.RUNNING)
    error_code = models.CharField(max_length=48, blank=True)
    error = models.CharField(max_length=255, blank=True)
    counts = models.JSONField(default=dict, blank=True)

    class Meta:
        db_table = "sync_runs"
        indexes = [models.Index(fields=["account", "-requested_at"])]
        ordering = ["-requested_at"]

    def __str__(self) -> str:
        return f"{self.account_id} {self.outcome} {self.progress} %"


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
