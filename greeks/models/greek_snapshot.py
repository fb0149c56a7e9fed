from __future__ import annotations

from typing import Any

from django.db import models

from greeks.chains import SIDES, SUMMED_GREEKS

#: The candle of each sum: ``call_delta_open`` … ``total_vega_close``, in this order.
CANDLE_FIELDS = tuple(
    f"{side}_{greek}_{part}"
    for side in SIDES
    for greek in SUMMED_GREEKS
    for part in ("open", "high", "low", "close")
)
#: Closing sums of the vendor's own Greeks alone: ``vendor_call_delta`` ….
VENDOR_FIELDS = tuple(f"vendor_{side}_{greek}" for side in SIDES for greek in SUMMED_GREEKS)


class GreekSnapshot(models.Model):
    """One minute of one chain: candles of its summed Greeks, and other values at its close.

    The minute is labelled by its start; its value is its close, the last sample in it. Sums run
    over all contracts, one each, per unit of the underlying. The model fills in what the vendor
    did not compute; the vendor's own sums stand beside. A minute without samples is a gap: its
    numbers are null and ``samples_seen`` is 0.

    ``delta_buckets`` holds the closing sums by |delta|: little-endian float64, shape (2 sides, 20
    buckets of 0.05, 5); the last axis is delta, gamma, theta, vega and the number of contracts.
    Bucket ``i`` is [0.05 i, 0.05 (i + 1)), the last one closed.

    ``held_changes`` has the same shape: the changes since the last minute with samples before, of
    the contracts with Greeks in both, by the bucket of the earlier one; null if the contracts of
    either minute are not known.
    """

    instrument_key = models.CharField(max_length=64)
    expiry = models.DateField()
    minute = models.DateTimeField()
    session_date = models.DateField()
    delta_buckets = models.BinaryField(null=True, blank=True)
    held_changes = models.BinaryField(null=True, blank=True)
    spot = models.FloatField(null=True, blank=True)
    call_open_interest = models.FloatField(null=True, blank=True)
    put_open_interest = models.FloatField(null=True, blank=True)
    call_volume = models.FloatField(null=True, blank=True)
    put_volume = models.FloatField(null=True, blank=True)
    pcr = models.FloatField(null=True, blank=True, help_text="Put ÷ call open interest.")
    max_pain = models.FloatField(null=True, blank=True, help_text="A strike.")
    atm_implied_volatility = models.FloatField(null=True, blank=True)
    contracts = models.PositiveIntegerField(null=True, blank=True)
    contracts_without_greeks = models.PositiveIntegerField(
        null=True, blank=True, help_text="That the vendor did not compute."
    )
    contracts_filled = models.PositiveIntegerField(
        null=True, blank=True, help_text="Of those, how many our model computed."
    )
    samples_seen = models.PositiveSmallIntegerField(default=0)
    samples_expected = models.PositiveSmallIntegerField(default=12)
    simulated = models.BooleanField(default=False)
    source = models.CharField(max_length=24)
    as_of = models.DateTimeField(null=True, blank=True, help_text="Of the last sample.")
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "greek_snapshots"
        ordering = ["instrument_key", "expiry", "minute"]
        constraints = [
            models.UniqueConstraint(
                fields=["instrument_key", "expiry", "minute"], name="greek_snapshot_one_a_minute"
            )
        ]
        indexes = [
            models.Index(fields=["instrument_key", "session_date", "expiry"]),
            models.Index(fields=["minute"]),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_key} {self.expiry:%Y-%m-%d} at {self.minute:%Y-%m-%d %H:%M}"


def _add_sums(model: type[models.Model]) -> None:
    """Add sixty columns of one shape, named by side, Greek and part."""
    field: models.FloatField[Any, Any]
    for name in (*CANDLE_FIELDS, *VENDOR_FIELDS):
        field = models.FloatField(null=True, blank=True)
        model.add_to_class(name, field)


_add_sums(GreekSnapshot)
