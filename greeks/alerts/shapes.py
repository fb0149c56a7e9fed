"""Bodies of the alerts' API."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from config.core.api.shapes import Double, Moment, Shape, about, one_of
from greeks import models


class AlertRuleWrite(Shape, kw_only=True):
    slug: Annotated[str, about("A polled instrument.")]
    expiry: Annotated[str | UnsetType, about("nearest (default), or YYYY-MM-DD.")] = UNSET
    metric: Annotated[str, about("One of /api/market/alerts/metrics.")]
    side: Annotated[
        str | UnsetType, about("call, put or total (default), where the metric has sides.")
    ] = UNSET
    measure: Annotated[str, one_of(models.AlertRule.Measure)] | UnsetType = UNSET
    delta_min: Annotated[
        Double | UnsetType | None, about("Smallest |delta| summed, in steps of 0.05.")
    ] = UNSET
    delta_max: Double | UnsetType | None = UNSET
    comparison: Annotated[str, one_of(models.AlertRule.Comparison)]
    threshold: Double
    band: Annotated[
        Double | UnsetType,
        about("How far the number has to come back before the rule fires again."),
    ] = UNSET
    cooldown_minutes: Annotated[int | UnsetType, about("5 by default.")] = UNSET
    channels: list[int] | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class AlertRule(AlertRuleWrite, kw_only=True):
    id: int
    instrument: str
    words: Annotated[str, about("The rule in words.")]
    last_event_minute: Moment | None


class AlertRules(Shape):
    rules: list[AlertRule]


class AlertMessage(Shape):
    channel: str
    state: Annotated[str, one_of(models.AlertDelivery.State)]
    error: str


class AlertEvent(Shape):
    id: int
    rule: int | None
    kind: Annotated[str, one_of(models.AlertEvent.Kind)]
    minute: Annotated[Moment, about("The minute that closed, by its start.")]
    value: Double | None
    threshold: Double | None
    title: str
    text: str
    created_at: Moment
    is_read: bool
    messages: list[AlertMessage]


class AlertEvents(Shape):
    version: int
    unread: int
    events: Annotated[list[AlertEvent], about("The newest 50, newest first.")]


class AlertsRead(Shape):
    read: Annotated[int, about("How many were unread.")]


class AlertMetric(Shape):
    name: str
    label: str
    sides: list[str]
    takes_delta_range: bool


class AlertMetrics(Shape):
    metrics: list[AlertMetric]


class AlertChannelWrite(Shape):
    name: Annotated[str, Meta(max_length=48)]
    address: Annotated[
        Annotated[str, Meta(extra_json_schema={"writeOnly": True})],
        about("An Apprise address. It is encrypted and never shown again."),
    ]


class AlertChannel(Shape):
    id: int
    name: str
    service: str
    host: str
    enabled: bool
    last_sent_at: Moment | None
    last_error: str


class AlertChannels(Shape):
    channels: list[AlertChannel]


class AlertTest(Shape):
    event: Annotated[int, about("Whose message is in the list of events.")]
