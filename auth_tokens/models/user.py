from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person at the desk. ``time_zone`` is how times are shown to them; stored times are UTC."""

    time_zone = models.CharField(max_length=48, blank=True)

    class Meta:
        ordering = ["username"]
