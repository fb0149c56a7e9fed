from __future__ import annotations

from django.db import models

from config.core.fields import AmountField
from greeks.domain import InstrumentKind, Right


class Instrument(models.Model):
    """Identity of one tradable contract, whatever the provider calls it.

    ``key`` is the canonical identity from ``greeks.instruments.identity.instrument_key``; aliases
    map each provider's own key to it.
    """

    key = models.CharField(max_length=96, unique=True)
    kind = models.CharField(max_length=16, choices=[(k.value, k.value) for k in InstrumentKind])
    symbol = models.CharField(max_length=64, help_text="For display: ticker, or OCC symbol.")
    underlying = models.CharField(max_length=32, db_index=True)
    underlying_key = models.CharField(
        max_length=96,
        blank=True,
        help_text="Identity of the future an option delivers, where a provider names it.",
    )
    root = models.CharField(max_length=32, blank=True)
    expiry = models.DateField(null=True, blank=True)
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="The instant of expiry (AM/PM settlement, UTC)."
    )
    expires_at_is_vendors = models.BooleanField(
        default=False, help_text="The instant is a provider's own, not computed from the day."
    )
    strike = AmountField(null=True, blank=True)
    right = models.CharField(
        max_length=1, blank=True, choices=[(r.value, r.name.title()) for r in Right]
    )
    multiplier = AmountField(default=1)
    is_adjusted = models.BooleanField(
        default=False, help_text="A split or merger changed what the option delivers."
    )
    deliverable_shares = AmountField(
        null=True, blank=True, help_text="Of an adjusted option, per contract; empty if unknown."
    )
    deliverable_cash = AmountField(
        null=True, blank=True, help_text="Money on top of the shares, per contract."
    )
    currency = models.CharField(max_length=8)
    exchange = models.CharField(max_length=32, blank=True)
    exercise_style = models.CharField(
        max_length=8,
        blank=True,
        choices=[("american", "American"), ("european", "European")],
    )
    description = models.CharField(max_length=128, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["underlying", "expiry", "strike"])]
        constraints = [
            models.CheckConstraint(
                name="instrument_option_is_complete",
                condition=~models.Q(kind="option")
                | models.Q(expiry__isnull=False, strike__isnull=False, right__in=["C", "P"]),
            ),
            models.CheckConstraint(
                name="instrument_multiplier_positive", condition=models.Q(multiplier__gt=0)
            ),
        ]
        ordering = ["underlying", "expiry", "strike", "right"]

    def __str__(self) -> str:
        return self.symbol


class InstrumentAlias(models.Model):
    """A provider's own key for an instrument (IBKR conid, Tastytrade symbol, Upstox key)."""

    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="aliases")
    provider = models.CharField(max_length=24)
    key = models.CharField(max_length=96)

    class Meta:
        verbose_name_plural = "instrument aliases"
        constraints = [
            models.UniqueConstraint(fields=["provider", "key"], name="alias_unique_by_provider")
        ]

    def __str__(self) -> str:
        return f"{self.provider}:{self.key}"
