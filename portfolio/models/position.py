from __future__ import annotations

from django.db import models

from config.core.fields import AmountField, GreekField, VolatilityField
from greeks.models import Instrument
from portfolio.models.account import Account


class Position(models.Model):
    """A holding, upserted so its id is stable.

    Greeks are of one long contract per unit of the underlying; Decimal columns are for display,
    ``*_raw`` float64 columns for computing. ``dte`` is as of ``timestamp``; readers recompute it.
    """

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="positions", db_index=True
    )
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="positions")
    sub_key = models.CharField(max_length=64, blank=True)
    symbol = models.CharField(max_length=64)
    underlying = models.CharField(max_length=32)
    instrument_type = models.CharField(max_length=16)
    expiry = models.DateField(null=True, blank=True)
    strike = AmountField(null=True, blank=True)
    right = models.CharField(max_length=1, blank=True)
    multiplier = AmountField(default=1)
    currency = models.CharField(max_length=8)
    quantity = AmountField()
    avg_price = AmountField(null=True, blank=True)
    price = AmountField(null=True, blank=True)
    price_source = models.CharField(max_length=24, blank=True)
    price_as_of = models.DateTimeField(null=True, blank=True)
    market_value = AmountField(null=True, blank=True)
    unrealized_pnl = AmountField(null=True, blank=True)
    # In words, which of the broker's own figures the price contradicted at the last sync.
    value_conflict = models.CharField(max_length=128, blank=True)
    opening_price = AmountField(null=True, blank=True)
    previous_close = AmountField(null=True, blank=True)
    daily_change = AmountField(null=True, blank=True)
    delta = GreekField()
    gamma = GreekField()
    theta = GreekField()
    vega = GreekField()
    iv = VolatilityField()
    delta_raw = models.FloatField(null=True, blank=True)
    gamma_raw = models.FloatField(null=True, blank=True)
    theta_raw = models.FloatField(null=True, blank=True)
    vega_raw = models.FloatField(null=True, blank=True)
    iv_raw = models.FloatField(null=True, blank=True)
    underlying_price = AmountField(null=True, blank=True)
    greeks_source = models.CharField(max_length=24, blank=True)
    greeks_as_of = models.DateTimeField(null=True, blank=True)
    # The Greeks are older than the last sync: no source answered, so the last known stay.
    greeks_last_known = models.BooleanField(default=False)
    dte = models.IntegerField(null=True, blank=True)
    source = models.CharField(max_length=24)
    as_of = models.DateTimeField()
    raw_json = models.JSONField(default=dict, blank=True)
    timestamp = models.DateTimeField(help_text="When this row was written.")

    class Meta:
        db_table = "active_positions_cache"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "instrument", "sub_key"], name="position_unique_in_account"
            )
        ]
        indexes = [models.Index(fields=["symbol"]), models.Index(fields=["underlying"])]
        ordering = ["account_id", "underlying", "expiry", "strike", "right"]

    def __str__(self) -> str:
        return f"{self.quantity.normalize():f} {self.symbol}"
