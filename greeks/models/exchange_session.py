from __future__ import annotations

from django.db import models


class ExchangeSession(models.Model):
    """One trading session of an exchange: normal, half day or special (Muhurat). Editable.

    A day without a row, up to the last seeded day, is closed; after it the calendar is unknown. A
    row of kind ``closed`` is no session: it records that someone closed a day by hand. Deleting
    the row would let seeding bring the session back.
    """

    class Kind(models.TextChoices):
        REGULAR = "regular", "Regular"
        HALF_DAY = "half_day", "Half day"
        SPECIAL = "special", "Special"
        CLOSED = "closed", "Closed"

    exchange = models.CharField(max_length=16)
    session_date = models.DateField()
    opens_at = models.DateTimeField()
    closes_at = models.DateTimeField()
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.REGULAR)
    note = models.CharField(max_length=64, blank=True)
    edited = models.BooleanField(
        default=False, help_text="Set by hand: seeding leaves this row alone."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["exchange", "session_date", "kind"], name="session_unique_by_day_and_kind"
            ),
            models.CheckConstraint(
                name="session_closes_after_it_opens",
                condition=models.Q(closes_at__gt=models.F("opens_at")),
            ),
        ]
        ordering = ["exchange", "session_date"]

    def __str__(self) -> str:
        return f"{self.exchange} {self.session_date:%Y-%m-%d}"
