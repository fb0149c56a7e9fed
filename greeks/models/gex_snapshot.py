from __future__ import annotations

from django.db import models


class GexSnapshot(models.Model):
    """Gamma exposure of one underlying at a five-minute slot, under one definition.

    Snapshots of different ``definition_version`` or ``dealers`` are different series.
    ``packed`` holds the body of ``/api/gex``, compressed, see ``greeks.gex.store``.
    """

    symbol = models.CharField(max_length=32)
    definition_version = models.CharField(max_length=48)
    dealers = models.CharField(max_length=32)
    slot = models.DateTimeField()
    session_date = models.DateField()
    as_of = models.DateTimeField(help_text="Of the oldest quotes it is made of.")
    source = models.CharField(max_length=24)
    simulated = models.BooleanField(default=False)
    spot = models.FloatField(null=True, blank=True)
    gamma_exposure = models.FloatField(null=True, blank=True)
    gamma_without_zero_dte = models.FloatField(null=True, blank=True)
    absolute_exposure = models.FloatField(null=True, blank=True)
    zero_gamma = models.FloatField(null=True, blank=True)
    zero_gamma_reason = models.CharField(max_length=12, blank=True)
    call_wall = models.FloatField(null=True, blank=True)
    put_wall = models.FloatField(null=True, blank=True)
    packed = models.BinaryField()

    class Meta:
        db_table = "gex_snapshots"
        ordering = ["symbol", "slot"]
        constraints = [
            models.UniqueConstraint(
                fields=["symbol", "definition_version", "dealers", "slot"],
                name="gex_snapshot_one_a_slot",
            )
        ]
        indexes = [
            models.Index(fields=["symbol", "session_date", "slot"]),
            models.Index(fields=["slot"]),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} at {self.slot:%Y-%m-%d %H:%M}"
