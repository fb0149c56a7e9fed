from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A user of the desk. ``time_zone`` is for display; stored times are UTC."""

    class LiveEvery(models.IntegerChoices):
        """How often the book and portfolios move on the user's open pages, in seconds."""

        AT_ONCE = 0, "at once"
        FIVE_SECONDS = 5, "every 5 seconds"
        HALF_A_MINUTE = 30, "every 30 seconds"

    time_zone = models.CharField(max_length=48, blank=True)
    live_every = models.PositiveSmallIntegerField(
        choices=LiveEvery.choices, default=LiveEvery.AT_ONCE
    )

    class Meta:
        ordering = ["username"]
