"""Raise events that come from no rule, and announce events after commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction

from auth_tokens.models import User
from config.core.background.task import enqueue
from config.core.clock import now
from config.core.live.hub import announce
from greeks.alerts.reading import user_group
from greeks.models import AlertChannel, AlertDelivery, AlertEvent

#: The same trouble is reported again after this long, if it lasts.
SYSTEM_QUIET = timedelta(hours=1)
#: More notices of one moment than this would be a wall of them: a toast, a message, a badge each.
MOST_AT_ONCE = 3
#: An older claim of a message belongs to a dead worker: an attempt takes 20 seconds at most.
CLAIM_SECONDS = 120


def raise_system_alert(*, subject: str, title: str, text: str) -> list[AlertEvent]:
    """Alert all staff to trouble: on their pages and through all their channels.

    Each ``subject`` (``token:upstox``) is reported at most once in ``SYSTEM_QUIET``. ``text`` must
    hold no secret. Returns the events raised; empty during the quiet time.
    """
    at = now()
    recently = AlertEvent.objects.filter(
        kind=AlertEvent.Kind.SYSTEM, subject=subject[:96], created_at__gt=at - SYSTEM_QUIET
    )
    if recently.exists():
        return []
    staff = User.objects.filter(is_staff=True, is_active=True).values_list("pk", flat=True)
    try:
        with transaction.atomic():
            events = AlertEvent.objects.bulk_create(
                _event(user_id, AlertEvent.Kind.SYSTEM, title, text, subject=subject[:96])
                for user_id in staff
            )
            _send(events)
    except IntegrityError:
        # Another process raised this in the same minute and announces it.
        return []
    return events


def raise_user_alert(
    *, user_id: int, title: str, text: str, kind: AlertEvent.Kind = AlertEvent.Kind.TRADE
) -> AlertEvent:
    """Tell one user of their trade or book, on their pages and through all their channels.

    The caller makes sure that it happens once. Runs in the caller's transaction.
    """
    event = _event(user_id, kind, title, text)
    event.save(force_insert=True)
    _send([event])
    return event


def raise_user_alerts(
    *, user_id: int, notices: Sequence[tuple[str, str]], together: tuple[str, str]
) -> None:
    """Tell one user of what happened to their trades at one moment, each a (title, text).

    More than ``MOST_AT_ONCE`` are told as one, ``together``. Each is in the list all the same,
    read already. Runs in the caller's transaction.
    """
    if len(notices) <= MOST_AT_ONCE:
        for title, text in notices:
            raise_user_alert(user_id=user_id, title=title, text=text)
        return
    at = now()
    AlertEvent.objects.bulk_create(
        _event(user_id, AlertEvent.Kind.TRADE, title, text, read_at=at) for title, text in notices
    )
    title, text = together
    raise_user_alert(user_id=user_id, title=title, text=text)


def _event(user_id: int, kind: AlertEvent.Kind, title: str, text: str, **more: Any) -> AlertEvent:
    return AlertEvent(
        user_id=user_id,
        kind=kind,
        minute=now().replace(second=0, microsecond=0),
        title=title[:120],
        text=text[:255],
        **more,
    )


def _send(events: Sequence[AlertEvent]) -> None:
    of_user = {event.user_id: event for event in events}
    channels = AlertChannel.objects.filter(user__in=list(of_user), enabled=True)
    deliveries = AlertDelivery.objects.bulk_create(
        AlertDelivery(event=of_user[channel.user_id], channel=channel, due_at=now())
        for channel in channels
    )
    tell_of(events, deliveries)


def tell_of(events: Sequence[AlertEvent], deliveries: Sequence[AlertDelivery]) -> None:
    """After commit, notify the users' open pages and queue the messages."""

    def tell() -> None:
        for event in events:
            announce(user_group(event.user_id), {"type": "alert.raised"})
        for delivery in deliveries:
            # If the queue is down, the sweep queues it again.
            enqueue("greeks.deliver_alert", {"delivery_id": delivery.pk}, expires=CLAIM_SECONDS)

    transaction.on_commit(tell)
