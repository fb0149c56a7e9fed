from __future__ import annotations

from django.db import models

from config.core.fields import AmountField
from config.core.indexes import TimeIndex
from greeks.models import Instrument


class Quote(models.Model):
    """The latest quote of an instrument."""

    instrument = models.OneToOneField(
        Instrument, on_delete=models.CASCADE, primary_key=True, related_name="quote"
    )
    symbol = models.CharField(max_length=64, db_index=True)
    price = AmountField(null=True, blank=True)
    bid = AmountField(null=True, blank=True)
    ask = AmountField(null=True, blank=True)
    opening_price = AmountField(null=True, blank=True)
    previous_close = AmountField(null=True, blank=True)
    volume = models.BigIntegerField(null=True, blank=True)
    open_interest = models.BigIntegerField(null=True, blank=True)
    source = models.CharField(max_length=24)
    as_of = models.DateTimeField()

    class Meta:
        db_table = "quotes"

    def __str__(self) -> str:
        return f"{self.symbol} {self.price}"


class PriceBar(models.Model):
    """A minute bar of a held instrument, built from the quotes that syncs brought."""

    # The constraint's index begins with it.
    instrument = models.ForeignKey(
        Instrument, on_delete=models.CASCADE, related_name="bars", db_index=False
    )
    minute = models.DateTimeField()
    open = AmountField()
    high = AmountField()
    low = AmountField()
    close = AmountField()
    samples = models.PositiveIntegerField(default=1)
    source = models.CharField(max_length=24)
    as_of = models.DateTimeField()

    class Meta:
        db_table = "price_bars"
        constraints = [
            models.UniqueConstraint(fields=["instrument", "minute"], name="bar_one_row_a_minute")
        ]
        indexes = [TimeIndex(fields=["minute"], name="price_bar_minute")]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.minute:%Y-%m-%d %H:%M} {self.close}"


class FxRate(models.Model):
    """Units of ``base`` for one unit of ``quote`` currency: the latest known."""

    base = models.CharField(max_length=8)
    quote = models.CharField(max_length=8)
    rate = AmountField()
    as_of = models.DateTimeField()
    source = models.CharField(max_length=24)

    class Meta:
        db_table = "fx_rates"
        constraints = [
            models.UniqueConstraint(fields=["base", "quote"], name="fx_rate_unique_by_pair")
        ]

    def __str__(self) -> str:
        return f"{self.quote}→{self.base} {self.rate}"
