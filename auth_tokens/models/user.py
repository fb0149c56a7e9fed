from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.crypto import salted_hmac


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

    second_factor_since = models.DateTimeField(
        null=True, blank=True, help_text="From then on the password alone lets nobody in."
    )

    class Meta:
        ordering = ["username"]

    @property
    def needs_second_factor(self) -> bool:
        """Whether a log-in asks for a code, which the user may have to set up first."""
        required = settings.STAFF_NEEDS_SECOND_FACTOR and self.is_staff
        return bool(required or self.second_factor_since)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Django's own, except that sessions end when the second factor changes or is missing.

        Staff without one have no session: a user who becomes staff logs in again, and sets it up.
        """
        proof = self.password
        if self.needs_second_factor:
            proof = f"{proof} {self.second_factor_since}"
        salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"
        return salted_hmac(salt, proof, secret=secret, algorithm="sha256").hexdigest()
