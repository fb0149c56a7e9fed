from __future__ import annotations

from django.db import models

from config.core.fields import AmountField, GreekField, VolatilityField
from config.core.indexes import TimeIndex
from greeks.models.instrument import Instrument


class GreekColumns(models.Model):
    """Greeks of one long contract per unit of the underlying (units: ``greeks.domain``).

    The Decimal columns are for reading; the float64 ``*_raw`` columns feed all mathematics.
    """

    delta = GreekField()
    gamma = GreekField()
    theta = GreekField()
    vega = GreekField()
    implied_volatility = VolatilityField()
    delta_raw = models.FloatField(null=True, blank=True)
    gamma_raw = models.FloatField(null=True, blank=True)
    theta_raw = models.FloatField(null=True, blank=True)
    vega_raw = models.FloatField(null=True, blank=True)
    implied_volatility_raw = models.FloatField(null=True, blank=True)
    underlying_price = AmountField(null=True, blank=True)
    source = models.CharField(max_length=24)
    as_of = models.DateTimeField()
    # Inputs of a model Greek: T, forward, rate, price used. Empty for vendors' Greeks.
    inputs = models.JSONField(default=dict, blank=True)

    class Meta:
        abstract = True


class ContractGreeks(GreekColumns):
    """The latest Greeks of a contract, shared by all accounts that hold it."""

    instrument = models.OneToOneField(
        Instrument, on_delete=models.CASCADE, primary_key=True, related_name="greeks"
    )
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "contract_greeks"
        verbose_name_plural = "contract greeks"

    def __str__(self) -> str:
        return f"Greeks of {self.instrument_id}"


class ContractGreekHistory(GreekColumns):
    """One row a minute for a held contract, so that Greeks at entry can be rebuilt."""

    # The constraint's index begins with it.
    instrument = models.ForeignKey(
        Instrument, on_delete=models.CASCADE, related_name="greek_history", db_index=False
    )
    minute = models.DateTimeField()

    class Meta:
        db_table = "contract_greek_history"
        verbose_name_plural = "contract greek history"
        constraints = [
            models.UniqueConstraint(
                fields=["instrument", "minute"], name="greek_history_one_row_a_minute"
            )
        ]
        indexes = [TimeIndex(fields=["minute"], name="greek_history_minute")]

    def __str__(self) -> str:
        return f"Greeks of {self.instrument_id} at {self.minute:%Y-%m-%d %H:%M}"
