from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class PolledInstrument(models.Model):
    """An underlying whose option chain is polled, with its provider and calendar.

    ``slug`` names it in URLs and groups; ``instrument_key`` is the provider's own key
    (``NSE_INDEX|Nifty 50``, ``SPX``). The nearest ``nearest_expiries`` expiries are polled and
    roll forward; ``extra_expiries`` are polled as well until they expire.
    """

    slug = models.SlugField(max_length=32, unique=True)
    name = models.CharField(max_length=64)
    instrument_key = models.CharField(max_length=64, unique=True)
    provider = models.CharField(max_length=24, default="upstox")
    underlying = models.CharField(
        max_length=32, help_text="The symbol by which the desk's instruments know it."
    )
    exchange = models.CharField(
        max_length=16, default="NSE", help_text="Whose sessions it follows."
    )
    currency = models.CharField(max_length=8, default="INR")
    nearest_expiries = models.PositiveSmallIntegerField(
        default=1, validators=[MaxValueValidator(12)]
    )
    extra_expiries = models.JSONField(
        default=list,
        blank=True,
        help_text="ISO dates, polled beside the nearest until they expire.",
    )
    poll_seconds = models.PositiveSmallIntegerField(
        default=5,
        validators=[MinValueValidator(5), MaxValueValidator(60)],
        help_text="At least this many seconds between two polls; 5, 10, 15, 20, 30 or 60.",
    )
    rate = models.FloatField(
        null=True,
        blank=True,
        help_text="The model's discount rate, annual and continuous; empty: its currency's.",
    )
    enabled = models.BooleanField(default=True)
    position = models.PositiveSmallIntegerField(default=0, help_text="Its place in the picker.")
    simulated = models.BooleanField(
        default=False, help_text="Fed by the sandbox: labelled as simulated wherever it is shown."
    )
    # The provider's last listing: [{"expiry": "2026-12-01", "lot_size": 75, "is_weekly": true}].
    listed_expiries = models.JSONField(default=list, blank=True, editable=False)
    listed_as_of = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "polled_instruments"
        ordering = ["position", "slug"]
        constraints = [
            models.CheckConstraint(
                name="polled_instrument_seconds_divide_a_minute",
                condition=models.Q(poll_seconds__in=[5, 10, 15, 20, 30, 60]),
            )
        ]

    def __str__(self) -> str:
        return self.name
