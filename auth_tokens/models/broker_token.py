from __future__ import annotations

from django.db import models


class BrokerToken(models.Model):
    """A provider's current token, encrypted, and the state of its renewal.

    One row per provider. ``version`` rises with each token, so a process can tell whether its copy
    is current. ``renewing_until`` is the lease of the one process that renews; it expires by
    itself if that process dies.
    """

    class Status(models.TextChoices):
        MISSING = "missing", "No token yet"
        VALID = "valid", "Valid"
        FAILING = "failing", "Renewal failed, tried again"
        STOPPED = "stopped", "Stopped, an operator has to act"

    provider = models.CharField(max_length=32, unique=True)
    ciphertext = models.TextField(blank=True)
    version = models.PositiveBigIntegerField(default=0)
    source = models.CharField(
        max_length=16, blank=True, help_text="How it was obtained: browser, analytics, oauth, …"
    )
    credentials = models.CharField(
        max_length=16, blank=True, help_text="Fingerprint of the credentials that were used."
    )
    obtained_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.MISSING)
    last_error = models.CharField(max_length=500, blank=True)
    last_error_code = models.CharField(max_length=48, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="Tries that failed in a row.")
    tries = models.PositiveBigIntegerField(default=0, help_text="Tries that ended, ever.")
    tried_at = models.DateTimeField(null=True, blank=True)
    next_try_at = models.DateTimeField(null=True, blank=True)
    renewing_by = models.CharField(max_length=32, blank=True)
    renewing_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "broker_tokens"
        ordering = ["provider"]

    def __str__(self) -> str:
        return f"{self.provider} ({self.status})"
