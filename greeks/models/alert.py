"""Alerts: what users watch, where messages go, what was raised, what was sent."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from greeks.models.polled_instrument import PolledInstrument


class AlertChannel(models.Model):
    """Where a user's messages go: an Apprise address, a secret stored encrypted.

    ``service`` and ``host`` are the parts that may be shown. ``failures`` counts failed messages
    in a row; a channel with too many is switched off and says so.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="alert_channels"
    )
    name = models.CharField(max_length=48)
    service = models.CharField(max_length=32)
    host = models.CharField(max_length=128, blank=True)
    address_encrypted = models.TextField(editable=False)
    enabled = models.BooleanField(default=True)
    failures = models.PositiveSmallIntegerField(default=0, editable=False)
    last_sent_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.CharField(max_length=160, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "alert_channels"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="alert_channel_one_of_a_name")
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.service})"


class AlertRule(models.Model):
    """A threshold on one number of one chain, evaluated when a minute closes.

    ``metric``, ``side`` and ``measure`` name the number (``greeks.alerts.metrics``). Without an
    ``expiry`` the rule follows the nearest. ``band`` is how far the number must come back before
    the rule can fire again, in the number's own unit.

    ``state`` is the side of the threshold on which the number last settled; with ``state_expiry``,
    ``last_event_minute`` and ``evaluated_until`` it is all an evaluation knows of earlier ones.
    """

    class Comparison(models.TextChoices):
        ABOVE = "above", "rises above"
        BELOW = "below", "falls below"
        CROSSES = "crosses", "crosses"

    class Measure(models.TextChoices):
        VALUE = "value", "value"
        CHANGE = "change", "change in a minute"
        FROM_OPEN = "from_open", "change since the open"
        SECOND_DIFFERENCE = "second_difference", "second difference"

    class State(models.TextChoices):
        UNKNOWN = "", "not known yet"
        ABOVE = "above", "above"
        BELOW = "below", "below"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="alert_rules"
    )
    instrument = models.ForeignKey(
        PolledInstrument, on_delete=models.CASCADE, related_name="alert_rules"
    )
    expiry = models.DateField(null=True, blank=True, help_text="Empty: the nearest.")
    metric = models.CharField(max_length=32)
    side = models.CharField(max_length=8, blank=True)
    measure = models.CharField(max_length=20, choices=Measure.choices, default=Measure.VALUE)
    delta_min = models.FloatField(null=True, blank=True)
    delta_max = models.FloatField(null=True, blank=True)
    comparison = models.CharField(max_length=8, choices=Comparison.choices)
    threshold = models.FloatField()
    band = models.FloatField(default=0.0)
    cooldown_minutes = models.PositiveSmallIntegerField(default=5)
    channels = models.ManyToManyField(AlertChannel, blank=True, related_name="rules")
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    state = models.CharField(max_length=8, blank=True, choices=State.choices, editable=False)
    state_expiry = models.DateField(null=True, blank=True, editable=False)
    evaluated_until = models.DateTimeField(null=True, blank=True, editable=False)
    last_event_minute = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "alert_rules"
        ordering = ["instrument__position", "instrument__slug", "pk"]
        indexes = [models.Index(fields=["instrument", "enabled"])]

    def __str__(self) -> str:
        return f"alert rule {self.pk}"


class AlertEvent(models.Model):
    """Something a user was told: a rule that fired, a trade, their book, trouble, a test.

    At most one per rule and minute, and per user, subject and minute for the desk's own. It
    outlives its rule: title and text stand on their own.
    """

    class Kind(models.TextChoices):
        THRESHOLD = "threshold", "Threshold"
        SYSTEM = "system", "System"
        TRADE = "trade", "Trade"
        BOOK = "book", "Book"
        TEST = "test", "Test"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="alert_events"
    )
    rule = models.ForeignKey(
        AlertRule, null=True, blank=True, on_delete=models.SET_NULL, related_name="events"
    )
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.THRESHOLD)
    subject = models.CharField(
        max_length=96, blank=True, help_text="What a system alert is about: token:upstox."
    )
    minute = models.DateTimeField(help_text="The minute that closed, labelled by its start.")
    value = models.FloatField(null=True, blank=True)
    threshold = models.FloatField(null=True, blank=True)
    title = models.CharField(max_length=120)
    text = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "alert_events"
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["rule", "minute"], name="alert_event_one_a_minute"),
            models.UniqueConstraint(
                fields=["user", "subject", "minute"],
                condition=models.Q(kind="system"),
                name="alert_event_one_system_a_minute",
            ),
        ]
        indexes = [models.Index(fields=["user", "-created_at"])]

    def __str__(self) -> str:
        return f"{self.title} at {self.minute:%Y-%m-%d %H:%M}"


class AlertDelivery(models.Model):
    """One message of an event to one channel, claimed here before it is sent.

    ``waiting`` is due at ``due_at``; ``sending`` is claimed by a worker; ``unknown`` may have
    arrived (the worker died, or no answer came in time) and is not sent again.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        SENDING = "sending", "being sent"
        SENT = "sent", "sent"
        FAILED = "failed", "not sent"
        UNKNOWN = "unknown", "not known whether sent"

    event = models.ForeignKey(AlertEvent, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=160, blank=True)

    class Meta:
        db_table = "alert_deliveries"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["event", "channel"], name="alert_delivery_one_a_channel"
            )
        ]
        indexes = [models.Index(fields=["state", "due_at"])]

    def __str__(self) -> str:
        return f"delivery {self.pk}, {self.state}"
