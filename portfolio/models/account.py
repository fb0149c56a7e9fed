from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models

from config.core.fields import AmountField
from portfolio.domain import Broker

BROKER_CHOICES = [(Broker.IBKR.value, "Interactive Brokers"), (Broker.TASTY.value, "Tastytrade")]


def default_sync_seconds() -> int:
    """Return ``BRIDGE_POLL_INTERVAL``, limited to what the column allows."""
    return min(max(int(settings.BRIDGE_POLL_INTERVAL), 5), 86400)


class Account(models.Model):
    """A brokerage account. Unique by broker and account number.

    ``book_version`` counts committed changes of the account's book (summary, positions, orders,
    Greeks): caches, ETags and websocket frames are versioned by it.
    """

    account_id = models.CharField(
        primary_key=True,
        max_length=64,
        help_text="Natural key: the account number, prefixed by the broker where two would clash.",
    )
    broker = models.CharField(max_length=8, choices=BROKER_CHOICES)
    account_number = models.CharField(max_length=48)
    label = models.CharField(max_length=64, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="owned_accounts"
    )
    shared_with = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="AccountAccess", related_name="shared_accounts"
    )
    base_currency = models.CharField(max_length=8, default="USD")
    time_zone = models.CharField(max_length=48, default="America/New_York")
    enabled = models.BooleanField(default=True)
    simulated = models.BooleanField(
        default=False, help_text="Fed by the sandbox: labelled as simulated wherever it is shown."
    )
    sync_seconds = models.PositiveIntegerField(default=default_sync_seconds)
    book_version = models.BigIntegerField(default=0, editable=False)
    next_sync_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_synced_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_attempt_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_error_code = models.CharField(max_length=48, blank=True, editable=False)
    last_error = models.CharField(max_length=255, blank=True, editable=False)
    # An unexpected empty book shows as unconfirmed until a second fetch agrees.
    empty_book_since = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["broker", "account_number"], name="account_unique_by_broker"
            ),
            models.CheckConstraint(
                name="account_sync_seconds_sane",
                condition=models.Q(sync_seconds__gte=5, sync_seconds__lte=86400),
            ),
        ]
        ordering = ["account_id"]

    def __str__(self) -> str:
        return self.label or self.account_id

    def is_stale(self, *, at: datetime) -> bool:
        """Return whether the book counts as stale, as one that never was synced does."""
        limit = timedelta(seconds=settings.STALE_AFTER_SECONDS)
        return self.last_synced_at is None or at - self.last_synced_at > limit

    @property
    def last_outcome(self) -> str | None:
        """The last finished sync's outcome, a ``SyncRun.Outcome``; ``None`` before the first.

        What it stored, in whole or in part, is as old as the attempt.
        """
        if self.last_attempt_at is None:
            return None
        if not self.last_error_code:
            return "succeeded"
        if self.last_error_code == "empty_book_unconfirmed":
            return "unconfirmed"
        return "partial" if self.last_synced_at == self.last_attempt_at else "failed"


class AccountAccess(models.Model):
    """Another user's access to an account. The owner needs no row."""

    class Role(models.TextChoices):
        VIEWER = "viewer", "Viewer"
        MANAGER = "manager", "Manager"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="access")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.VIEWER)

    class Meta:
        verbose_name_plural = "account access"
        constraints = [
            models.UniqueConstraint(fields=["user", "account"], name="access_unique_by_user")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} → {self.account_id} ({self.role})"


class Portfolio(models.Model):
    """A named set of accounts, limited on read to those the reader may see.

    Each user has one that ``holds_all`` their accounts. The figures are of ``book_version``, the
    sum of the accounts' versions (``portfolio/updates/calculation.py``).
    """

    name = models.CharField(max_length=64)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="portfolios"
    )
    accounts = models.ManyToManyField(Account, related_name="portfolios", blank=True)
    holds_all = models.BooleanField(
        default=False, help_text="Every account its owner may see, now and later."
    )
    currency = models.CharField(max_length=8, blank=True)
    value = AmountField(null=True, blank=True)
    daily_change = AmountField(null=True, blank=True)
    daily_change_percent = models.DecimalField(
        max_digits=12, decimal_places=4, null=True, blank=True
    )
    by_currency = models.JSONField(default=list, blank=True)
    unconverted = models.JSONField(default=list, blank=True)
    legs = models.PositiveIntegerField(default=0)
    legs_without_change = models.PositiveIntegerField(default=0)
    # The accounts the figures are of: whoever may see fewer by now must not read them.
    counted = models.JSONField(default=list, blank=True, editable=False)
    book_version = models.BigIntegerField(null=True, blank=True, editable=False)
    last_updated = models.DateTimeField(null=True, blank=True)
    notice_percent = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="Tell the owner of each move of the day by so many percent.",
    )
    daily_summary = models.BooleanField(
        default=False, help_text="Tell the owner what the day brought when its session is over."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(notice_percent__isnull=True) | models.Q(notice_percent__gt=0),
                name="portfolio_notice_positive",
            ),
            models.UniqueConstraint(fields=["owner", "name"], name="portfolio_unique_by_owner"),
            models.UniqueConstraint(
                fields=["owner"], condition=models.Q(holds_all=True), name="portfolio_one_of_all"
            ),
        ]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
