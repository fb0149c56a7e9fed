"""A user's alerts: rules, channels, events. Users see only their own.

Functions that take an id raise ``NotFound`` both for a missing row and for another user's.
"""

from __future__ import annotations

from typing import TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, QuerySet

from auth_tokens.models import User
from config.core.errors import NotFound
from greeks.alerts import shapes, wording
from greeks.alerts.metrics import registered_metrics
from greeks.models import AlertChannel, AlertEvent, AlertRule

#: How many events a list shows.
SHOWN_EVENTS = 50
_LARGEST_ID = 2**63

AnyUser = User | AnonymousUser
Row = TypeVar("Row", bound=Model)


def user_group(user_id: int) -> str:
    """Return the hub group that announces a user's alerts."""
    return f"alerts.user.{user_id}"


def rules_of(user: AnyUser) -> list[AlertRule]:
    """Return the user's rules with instruments and channels, in two queries."""
    rules = _rows_of(user, AlertRule.objects.select_related("instrument"))
    return list(rules.prefetch_related("channels"))


def channels_of(user: AnyUser) -> list[AlertChannel]:
    return list(_rows_of(user, AlertChannel.objects.all()))


def events_of(user: AnyUser, *, count: int = SHOWN_EVENTS) -> list[AlertEvent]:
    """Return the newest events with their messages, in two queries."""
    return list(_rows_of(user, AlertEvent.objects.prefetch_related("deliveries__channel"))[:count])


def unread_count(user: AnyUser) -> int:
    return _rows_of(user, AlertEvent.objects.filter(read_at__isnull=True)).count()


def rule_for_user(user: AnyUser, rule_id: int) -> AlertRule:
    rules = AlertRule.objects.select_related("instrument").prefetch_related("channels")
    return _own(rules, user, rule_id, "No such alert.")


def channel_for_user(user: AnyUser, channel_id: int) -> AlertChannel:
    return _own(AlertChannel.objects.all(), user, channel_id, "No such channel.")


def _own(rows: QuerySet[Row], user: AnyUser, row_id: int, problem: str) -> Row:
    # SQLite refuses to compare an id larger than the column.
    found = _rows_of(user, rows).filter(pk=row_id).first() if row_id < _LARGEST_ID else None
    if found is None:
        raise NotFound(problem)
    return found


def _rows_of(user: AnyUser, rows: QuerySet[Row]) -> QuerySet[Row]:
    return rows.filter(user=user) if isinstance(user, User) else rows.none()


# --- JSON for the API and websocket frames -------------------------------------------------------
def rule_body(rule: AlertRule) -> shapes.AlertRule:
    return shapes.AlertRule.of(
        rule,
        slug=rule.instrument.slug,
        instrument=rule.instrument.name,
        expiry=rule.expiry.isoformat() if rule.expiry else "nearest",
        channels=[channel.pk for channel in rule.channels.all()],
        words=f"{wording.series_words(rule)} {wording.condition_words(rule)}",
    )


def _event_body(event: AlertEvent) -> shapes.AlertEvent:
    return shapes.AlertEvent.of(
        event,
        rule=event.rule_id,
        is_read=event.read_at is not None,
        messages=[
            shapes.AlertMessage(each.channel.name, each.state, each.error)
            for each in event.deliveries.all()
        ],
    )


def events_body(user: AnyUser) -> shapes.AlertEvents:
    """Return the newest events and the number unread, for the socket and the API.

    ``version`` grows with the events, so a page that polls can tell what is new.
    """
    events = events_of(user)
    return shapes.AlertEvents(
        version=events[0].pk if events else 0,
        unread=unread_count(user),
        events=[_event_body(event) for event in events],
    )


def metrics_body() -> list[shapes.AlertMetric]:
    """Return the metrics that can be watched."""
    return [
        shapes.AlertMetric(
            name=metric.name,
            label=metric.label,
            sides=list(metric.sides),
            takes_delta_range=metric.read_range is not None,
        )
        for metric in registered_metrics().values()
    ]
