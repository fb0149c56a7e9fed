from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from portfolio.models import Account


class PendingImport(models.Model):
    """An uploaded file between its preview and the reader's decision. Deleted after a day."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    account = models.ForeignKey(
        Account, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    file_name = models.CharField(max_length=255)
    content = models.BinaryField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "pending_imports"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.file_name
