"""Shapes of the alerts' API, for its OpenAPI document. The services check what is written."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from greeks.models import AlertDelivery, AlertEvent, AlertRule


class AlertRuleWriteSerializer(serializers.Serializer[Any]):
    slug = serializers.CharField(help_text="A polled instrument.")
    expiry = serializers.CharField(required=False, help_text="nearest (default), or YYYY-MM-DD.")
    metric = serializers.CharField(help_text="One of /api/market/alerts/metrics.")
    side = serializers.CharField(
        required=False, help_text="call, put or total (default), where the metric has sides."
    )
    measure = serializers.ChoiceField(choices=AlertRule.Measure.choices, required=False)
    delta_min = serializers.FloatField(
        required=False, allow_null=True, help_text="Smallest |delta| summed, in steps of 0.05."
    )
    delta_max = serializers.FloatField(required=False, allow_null=True)
    comparison = serializers.ChoiceField(choices=AlertRule.Comparison.choices)
    threshold = serializers.FloatField()
    band = serializers.FloatField(
        required=False,
        help_text="How far the number has to come back before the rule fires again.",
    )
    cooldown_minutes = serializers.IntegerField(required=False, help_text="5 by default.")
    channels = serializers.ListField(child=serializers.IntegerField(), required=False)
    enabled = serializers.BooleanField(required=False)


class AlertRuleSerializer(AlertRuleWriteSerializer):
    id = serializers.IntegerField()
    instrument = serializers.CharField()
    words = serializers.CharField(help_text="The rule in words.")
    last_event_minute = serializers.DateTimeField(allow_null=True)


class AlertRulesSerializer(serializers.Serializer[Any]):
    rules = AlertRuleSerializer(many=True)


class AlertMessageSerializer(serializers.Serializer[Any]):
    channel = serializers.CharField()
    state = serializers.ChoiceField(choices=AlertDelivery.State.choices)
    error = serializers.CharField(allow_blank=True)


class AlertEventSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    rule = serializers.IntegerField(allow_null=True)
    kind = serializers.ChoiceField(choices=AlertEvent.Kind.choices)
    minute = serializers.DateTimeField(help_text="The minute that closed, by its start.")
    value = serializers.FloatField(allow_null=True)
    threshold = serializers.FloatField(allow_null=True)
    title = serializers.CharField()
    text = serializers.CharField()
    created_at = serializers.DateTimeField()
    is_read = serializers.BooleanField()
    messages = AlertMessageSerializer(many=True)


class AlertEventsSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField()
    unread = serializers.IntegerField()
    events = AlertEventSerializer(many=True, help_text="The newest 50, newest first.")


class AlertsReadSerializer(serializers.Serializer[Any]):
    read = serializers.IntegerField(help_text="How many were unread.")


class AlertMetricSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    sides = serializers.ListField(child=serializers.CharField())
    takes_delta_range = serializers.BooleanField()


class AlertMetricsSerializer(serializers.Serializer[Any]):
    metrics = AlertMetricSerializer(many=True)


class AlertChannelWriteSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=48)
    address = serializers.CharField(
        write_only=True, help_text="An Apprise address. It is encrypted and never shown again."
    )


class AlertChannelSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    service = serializers.CharField()
    host = serializers.CharField(allow_blank=True)
    enabled = serializers.BooleanField()
    last_sent_at = serializers.DateTimeField(allow_null=True)
    last_error = serializers.CharField(allow_blank=True)


class AlertChannelsSerializer(serializers.Serializer[Any]):
    channels = AlertChannelSerializer(many=True)


class AlertTestSerializer(serializers.Serializer[Any]):
    event = serializers.IntegerField(help_text="Whose message is in the list of events.")
