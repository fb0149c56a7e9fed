from __future__ import annotations

from django.db import models

from config.core.fields import AmountField
from greeks.models import Instrument
from portfolio.domain import ExecutionKind
from trades.models.signal import TradeSignal


class ShadowPosition(models.Model):
    """A leg of a signal, held on paper as if it had been traded at once.

    Entered at the mid of the first quote after the signal, worse by the source's slippage. Prices
    are per unit; ``pnl`` is money, of the last mark while open, realised once closed. Missing
    prices stay missing.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting for a quote"
        OPEN = "open", "Open"
        CLOSED = "closed", "Closed"
        #: It, or its signal, expired before a quote came.
        MISSED = "missed", "Never entered"

    signal = models.ForeignKey(TradeSignal, on_delete=models.CASCADE, related_name="legs")
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+")
    quantity = AmountField(help_text="Signed: bought is positive.")
    status = models.CharField(max_length=7, choices=Status.choices, default=Status.WAITING)
    entry_mid = AmountField(null=True, help_text="The mid of the quote at entry.")
    entry_price = AmountField(null=True, help_text="The mid, worse by the slippage.")
    entry_source = models.CharField(max_length=24, blank=True)
    opened_at = models.DateTimeField(null=True, help_text="The quote's own time.")
    price = AmountField(null=True)
    price_source = models.CharField(max_length=24, blank=True)
    price_as_of = models.DateTimeField(null=True)
    close_price = AmountField(null=True)
    closed_at = models.DateTimeField(null=True)
    closed_kind = models.CharField(
        max_length=24, blank=True, choices=[(k.value, k.value) for k in ExecutionKind]
    )
    pnl = AmountField(null=True)

    class Meta:
        db_table = "shadow_positions"
        ordering = ["signal_id", "id"]
        constraints = [
            models.UniqueConstraint(fields=["signal", "instrument"], name="shadow_one_a_contract")
        ]
        indexes = [
            models.Index(fields=["status", "opened_at"]),
            models.Index(fields=["instrument", "status"]),
        ]

    def __str__(self) -> str:
        return f"{self.quantity.normalize():f} × {self.instrument_id}"
