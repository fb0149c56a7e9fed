from __future__ import annotations

from django.db import models


class ChainSnapshot(models.Model):
    """A chain of one expiry as it was at the close of a minute, a few times an hour.

    ``packed`` holds the body of ``/api/market/chain``, see ``greeks.minutes.chain_codec``.
    """

    instrument_key = models.CharField(max_length=64)
    expiry = models.DateField()
    minute = models.DateTimeField()
    session_date = models.DateField()
    source = models.CharField(max_length=24)
    as_of = models.DateTimeField(help_text="Of the poll.")
    packed = models.BinaryField()

    class Meta:
        db_table = "chain_snapshots"
        ordering = ["instrument_key", "expiry", "minute"]
        constraints = [
            models.UniqueConstraint(
                fields=["instrument_key", "expiry", "minute"], name="chain_snapshot_one_a_minute"
            )
        ]
        indexes = [models.Index(fields=["minute"])]

    def __str__(self) -> str:
        return f"{self.instrument_key} {self.expiry:%Y-%m-%d} at {self.minute:%Y-%m-%d %H:%M}"
