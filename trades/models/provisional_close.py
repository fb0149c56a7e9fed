from __future__ import annotations

from django.db import models

from config.core.fields import AmountField
from greeks.models import Instrument
from portfolio.models import Account


class ProvisionalClose(models.Model):
    """An option past its instant that the broker holds no more, before the broker says why.

    Ends what the executions leave open of the contract: once the broker's row is here, nothing is
    left and it has no effect. ``price`` is zero if the option ended worthless, empty if that is not
    known. A known one is final by itself after some days.
    """

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="provisional_closes"
    )
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(help_text="The instant of expiry.")
    price = AmountField(null=True, help_text="Zero if worthless; empty if not known.")
    spot = AmountField(null=True, help_text="The underlying's price at the instant, if known.")
    spot_source = models.CharField(max_length=24, blank=True)
    spot_as_of = models.DateTimeField(null=True)
    is_final = models.BooleanField(default=False)

    class Meta:
        db_table = "trade_provisional_closes"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "instrument"], name="provisional_close_unique"
            )
        ]
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.instrument_id} at {self.at:%Y-%m-%d}"
