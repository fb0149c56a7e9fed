"""Signals: who sends them, what they say, what became of them."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from config.core.fields import AmountField, DecimalColumn
from portfolio.models import Account
from trades.models.execution import TradeExecution


class SignalSource(models.Model):
    """Who sends signals to one user: a service with a token, or the user's own hand.

    Only the token's SHA-256 is stored. ``shadow_slippage`` is the share of the mid by which a
    shadow position is entered and closed worse than the mid.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="signal_sources"
    )
    name = models.CharField(max_length=64)
    enabled = models.BooleanField(default=True)
    token_prefix = models.CharField(max_length=12, blank=True, editable=False)
    token_digest = models.CharField(max_length=64, blank=True, editable=False)
    shadow_slippage = DecimalColumn(
        max_digits=6,
        decimal_places=4,
        default=Decimal("0.0050"),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal("0.5"))],
        help_text="Of the mid: 0.005 enters and closes half a percent worse.",
    )
    window_minutes = models.PositiveIntegerField(
        default=240,
        validators=[MinValueValidator(1), MaxValueValidator(43_200)],
        help_text="A fill this long after a signal may be its trade.",
    )
    hold_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Close shadow positions after so many days. Empty: at expiry only.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "signal_sources"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="signal_source_one_of_a_name"),
            models.UniqueConstraint(
                fields=["token_digest"],
                condition=~models.Q(token_digest=""),
                name="signal_source_by_token",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TradeSignal(models.Model):
    """An advice to trade. Its legs are its shadow positions.

    ``opening`` is the execution, in its first revision, that opened the trade which followed the
    signal: it outlives every rebuild. ``tied_by`` says how that is known; by hand without an
    opening: none followed.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        ACTIVE = "active", "Active"
        EXECUTED = "executed", "Executed"
        EXPIRED = "expired", "Expired"
        CANCELLED = "cancelled", "Cancelled"

    class Direction(models.TextChoices):
        LONG = "long", "Long"
        SHORT = "short", "Short"

    class Tie(models.TextChoices):
        ORDER = "order", "By the order's reference"
        WINDOW = "window", "By symbol, direction and time"
        HAND = "hand", "By hand"

    source = models.ForeignKey(SignalSource, on_delete=models.PROTECT, related_name="signals")
    idempotency_key = models.CharField(max_length=128, blank=True, editable=False)
    body_digest = models.CharField(max_length=64, blank=True, editable=False)
    account = models.ForeignKey(
        Account,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="signals",
        help_text="Where it is to be traded. Empty: in any.",
    )
    symbol = models.CharField(max_length=64)
    underlying = models.CharField(max_length=32)
    direction = models.CharField(max_length=5, choices=Direction.choices)
    quantity = AmountField(default=1, help_text="How often the legs are to be traded.")
    order_reference = models.CharField(max_length=64, blank=True)
    confidence = models.FloatField(null=True, blank=True, help_text="0 to 1.")
    note = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.QUEUED)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    opening = models.ForeignKey(
        TradeExecution, null=True, blank=True, on_delete=models.PROTECT, related_name="signals"
    )
    tied_by = models.CharField(max_length=6, blank=True, choices=Tie.choices)
    tied_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "signals"
        verbose_name = "signal"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "idempotency_key"],
                condition=~models.Q(idempotency_key=""),
                name="signal_unique_by_key",
            )
        ]
        indexes = [
            models.Index(fields=["source", "-created_at"]),
            models.Index(fields=["status", "-created_at"]),
            models.Index(fields=["symbol", "-created_at"]),
            models.Index(fields=["underlying", "-created_at"]),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(status__in=["queued", "active"]),
                name="signal_that_may_expire",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.direction} {self.symbol}"


class SignalChange(models.Model):
    """One step of a signal: from which status to which, when, why, by whom."""

    signal = models.ForeignKey(TradeSignal, on_delete=models.CASCADE, related_name="changes")
    before = models.CharField(max_length=9, blank=True)
    after = models.CharField(max_length=9, choices=TradeSignal.Status.choices)
    at = models.DateTimeField()
    reason = models.CharField(max_length=200)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        db_table = "signal_changes"
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["signal", "at"])]

    def __str__(self) -> str:
        return f"{self.before or 'new'} → {self.after}"
