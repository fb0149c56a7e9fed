from __future__ import annotations

from django.conf import settings
from django.db import models

from portfolio.models.account import Account


class ScenarioGrid(models.Model):
    """P&L of one account's book over the default axes, computed after each commit.

    ``axes`` is ``{"spot": [percent], "vol": [points], "days": [calendar days]}`` and ``pnl`` is
    ``[day][vol][spot]`` in ``currency``. Grids of several accounts add up cell by cell.
    """

    account = models.OneToOneField(
        Account, on_delete=models.CASCADE, primary_key=True, related_name="scenario_grid"
    )
    book_version = models.BigIntegerField()
    currency = models.CharField(max_length=8)
    axes = models.JSONField()
    pnl = models.JSONField()
    left_out = models.PositiveIntegerField(default=0, help_text="Legs that could not be valued.")
    as_of = models.DateTimeField(help_text="Market time from which the days are counted.")

    class Meta:
        db_table = "scenario_grids"

    def __str__(self) -> str:
        return f"{self.account_id} at version {self.book_version}"


class Scenario(models.Model):
    """A user's saved scenario: shifts by underlying, and days that pass.

    ``shifts`` is ``[{"underlying": "*" or a symbol, "spot": percent, "vol": points}]``; a symbol's
    own shift overrides that of ``*``.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="scenarios"
    )
    name = models.CharField(max_length=64)
    shifts = models.JSONField()
    days = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "scenarios"
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="scenario_unique_by_owner")
        ]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
