from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from portfolio.models import Account


class JournalRun(models.Model):
    """One import of a file, or one look at a broker for new fills: what came and what became of it.

    ``counts`` hold ``received == inserted + existing + cancelled + quarantined`` and, for files,
    the rows that were ignored with the reason.
    """

    class Outcome(models.TextChoices):
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        PARTIAL = "partial", "Partly succeeded"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(
        Account, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    source = models.CharField(max_length=24)
    file_name = models.CharField(max_length=255, blank=True)
    file_digest = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.RUNNING)
    error_code = models.CharField(max_length=48, blank=True)
    error = models.CharField(max_length=255, blank=True)
    counts = models.JSONField(default=dict, blank=True)

    class Meta:
        db_table = "journal_runs"
        indexes = [models.Index(fields=["account", "-started_at"])]
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.source} {self.outcome}"
