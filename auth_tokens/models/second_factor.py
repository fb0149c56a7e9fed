from __future__ import annotations

from django.conf import settings
from django.db import models


class SecondFactor(models.Model):
    """A user's authenticator app (RFC 6238) and what is left of the recovery codes.

    It counts once ``User.second_factor_since`` is set: when a first code was right.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="second_factor"
    )
    ciphertext = models.TextField(help_text="The secret, encrypted.")
    last_slot = models.BigIntegerField(
        default=0, help_text="Of the last right code: each is good once."
    )
    recovery_digests = models.JSONField(default=list)
    failures = models.PositiveIntegerField(default=0, help_text="Wrong codes in a row.")
    next_try_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "second_factors"

    def __str__(self) -> str:
        return f"Second factor of user {self.user_id}"
