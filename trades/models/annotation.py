"""What readers add to trades. It refers to the opening fill, so it outlives every computation."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from simple_history.models import HistoricalRecords

from trades.models.execution import TradeExecution


class Annotation(models.Model):
    """Belongs to the trade that an execution, in its first revision, opens. Changes are kept."""

    opening = models.ForeignKey(TradeExecution, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        abstract = True


class TradeNote(Annotation):
    """A reader's words on a trade."""

    text = models.TextField(max_length=10_000)
    updated_at = models.DateTimeField(auto_now=True)
    history = HistoricalRecords(table_name="trade_notes_history")

    class Meta:
        db_table = "trade_notes"
        indexes = [models.Index(fields=["opening"])]
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.text[:60]


class TradeTag(Annotation):
    """One tag of a trade, in small letters."""

    name = models.CharField(max_length=32)
    history = HistoricalRecords(table_name="trade_tags_history")

    class Meta:
        db_table = "trade_tags"
        constraints = [models.UniqueConstraint(fields=["opening", "name"], name="trade_tag_unique")]
        indexes = [models.Index(fields=["name"])]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class TradeReview(Annotation):
    """Whether somebody has looked at a trade. Without a row it is new."""

    class State(models.TextChoices):
        NEW = "new", "New"
        REVIEWED = "reviewed", "Reviewed"
        FOLLOW_UP = "follow_up", "Follow up"

    state = models.CharField(max_length=12, choices=State.choices)
    history = HistoricalRecords(table_name="trade_reviews_history")

    class Meta:
        db_table = "trade_reviews"
        constraints = [models.UniqueConstraint(fields=["opening"], name="trade_review_unique")]

    def __str__(self) -> str:
        return self.state


class TradeOverride(Annotation):
    """A reader's word on which trade an opening fill belongs to.

    ``move`` takes the fill alone to the trade of ``anchor`` (its own anchor: a trade by itself);
    ``join`` takes the whole trade that it is in.
    """

    class Kind(models.TextChoices):
        MOVE = "move", "Moved"
        JOIN = "join", "Joined"

    kind = models.CharField(max_length=4, choices=Kind.choices)
    anchor = models.ForeignKey(TradeExecution, on_delete=models.PROTECT, related_name="+")
    history = HistoricalRecords(table_name="trade_overrides_history")

    class Meta:
        db_table = "trade_overrides"
        constraints = [models.UniqueConstraint(fields=["opening"], name="trade_override_unique")]

    def __str__(self) -> str:
        return f"{self.kind} {self.opening_id} → {self.anchor_id}"
