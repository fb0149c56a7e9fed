from __future__ import annotations

from django.conf import settings
from django.db import models


class TokenEvent(models.Model):
    """What happened to a provider's token. Append-only; holds no secret.

    ``log_in.started`` events also count log-ins, to keep the account from being locked: each is
    committed before its credentials are used.
    """

    class Event(models.TextChoices):
        LOG_IN_STARTED = "log_in.started", "Log-in started"
        TOKEN_RENEWED = "token.renewed", "Token renewed"
        RENEWAL_FAILED = "renewal.failed", "Renewal failed"
        RENEWAL_STOPPED = "renewal.stopped", "Renewal stopped"
        TOKEN_RESET = "token.reset", "Reset by an operator"

    at = models.DateTimeField(db_index=True)
    provider = models.CharField(max_length=32)
    event = models.CharField(max_length=24, choices=Event.choices)
    source = models.CharField(max_length=16, blank=True)
    credentials = models.CharField(max_length=16, blank=True)
    code = models.CharField(max_length=48, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    screenshot = models.CharField(
        max_length=200,
        blank=True,
        help_text="File under VAR_DIR/log_ins where it was tried.",
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        db_table = "token_events"
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["provider", "event", "at"], name="token_events_tries")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.provider} {self.event}"
