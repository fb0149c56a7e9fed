from __future__ import annotations

from django.db import models


class StoredDay(models.Model):
    """A session day on which minutes of a chain with samples are stored.

    Written with the minutes, so that a page's pickers do not read months of them.
    """

    instrument_key = models.CharField(max_length=64)
    session_date = models.DateField()
    expiry = models.DateField()
    as_of = models.DateTimeField(help_text="Of the day's last sample.")

    class Meta:
        db_table = "stored_days"
        ordering = ["instrument_key", "session_date", "expiry"]
        constraints = [
            models.UniqueConstraint(
                fields=["instrument_key", "session_date", "expiry"], name="stored_day_one_a_chain"
            )
        ]

    def __str__(self) -> str:
        return f"{self.instrument_key} {self.expiry:%Y-%m-%d} on {self.session_date:%Y-%m-%d}"
