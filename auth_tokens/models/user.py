from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A user of the desk. ``time_zone`` is for display; stored times are UTC."""

    time_zone = models.CharField(max_length=48, blank=True)

    class Meta:
        ordering = ["username"]
