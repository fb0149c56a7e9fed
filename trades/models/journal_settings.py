from __future__ import annotations

from django.db import models
from simple_history.models import HistoricalRecords

from portfolio.models import Account


class JournalSettings(models.Model):
    """How an account's lots are matched. Without a row: first in, first out."""

    class Method(models.TextChoices):
        FIFO = "fifo", "First in, first out"
        LIFO = "lifo", "Last in, first out"
        HIFO = "hifo", "Highest cost first"
        AVERAGE = "average", "Average cost"

    account = models.OneToOneField(
        Account, primary_key=True, on_delete=models.PROTECT, related_name="journal_settings"
    )
    lot_method = models.CharField(max_length=8, choices=Method.choices, default=Method.FIFO)
    history = HistoricalRecords(table_name="journal_settings_history")

    class Meta:
        db_table = "journal_settings"
        verbose_name_plural = "journal settings"

    def __str__(self) -> str:
        return f"{self.account_id}: {self.get_lot_method_display()}"
