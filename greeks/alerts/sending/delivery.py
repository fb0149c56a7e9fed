"""Send alert messages, each claimed in the database first.

At most once, as far as that can be known: a claim is one conditional update, so only one of many
workers sends. A worker that dies between claim and answer leaves ``sending``; after
``CLAIM_SECONDS`` that becomes ``unknown`` and is *not* sent again, nor is a message the receiver
took without answering. A message that was certainly not taken is retried, up to ``MOST_ATTEMPTS``
in all. The page lists every event in any case.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import F

from config.core.clock import now
from config.core.live.hub import announce
from greeks.alerts.events import CLAIM_SECONDS
from greeks.alerts.reading import user_group
from greeks.alerts.sending.channels import channel_address
from greeks.alerts.sending.messengers import Outcome, Sent, send_message
from greeks.models import AlertChannel, AlertDelivery

logger = structlog.get_logger(__name__)

State = AlertDelivery.State

MOST_ATTEMPTS = 3
#: Wait after the first and the second failure.
RETRY_SECONDS = (15, 60)
#: An older message is no longer worth sending.
LATEST = timedelta(hours=1)
#: After this many failures in a row a channel is switched off.
MOST_FAILURES = 10
_MOST_AT_ONCE = 200


def deliver_alert(*, delivery_id: int) -> State | None:
    """Send one message if it is due and unclaimed; return its new state.

    ``None`` if it was not ours to send.
    """
    at = now()
    claimed = AlertDelivery.objects.filter(
        pk=delivery_id, state=State.WAITING, due_at__lte=at
    ).update(state=State.SENDING, claimed_at=at, attempts=F("attempts") + 1)
    if not claimed:
        return None
    delivery = AlertDelivery.objects.select_related("event", "channel").get(pk=delivery_id)
    hindrance = _hindrance(delivery)
    if hindrance:
        return _record(delivery, Sent(Outcome.REFUSED, hindrance))
    sent = _send(delivery)
    _note_on_channel(delivery.channel, sent)
    return _record(delivery, sent)


def due_deliveries() -> list[int]:
    """Return messages due to be sent: retries, and those whose task was lost."""
    due = AlertDelivery.objects.filter(state=State.WAITING, due_at__lte=now())
    return list(due.order_by("due_at").values_list("pk", flat=True)[:_MOST_AT_ONCE])


def close_abandoned_deliveries() -> int:
    """Mark the claims of dead workers as unknown; return how many."""
    abandoned = AlertDelivery.objects.filter(
        state=State.SENDING, claimed_at__lt=now() - timedelta(seconds=CLAIM_SECONDS)
    )
    closed = abandoned.update(
        state=State.UNKNOWN, error="The worker ended while sending: it may have arrived."
    )
    if closed:
        logger.warning("alert.deliveries_abandoned", count=closed)
    return closed


def _hindrance(delivery: AlertDelivery) -> str:
    """Return why the message must not be tried; empty if it may."""
    if now() - delivery.event.created_at > LATEST:
        return "Too late to be of use."
    return "" if delivery.channel.enabled else "The channel is switched off."


def _send(delivery: AlertDelivery) -> Sent:
    address = channel_address(delivery.channel)
    if address is None:
        return Sent(Outcome.REFUSED, "The stored address cannot be read any more: enter it again.")
    return send_message(address, title=delivery.event.title, body=delivery.event.text)


def _record(delivery: AlertDelivery, sent: Sent) -> State:
    at = now()
    state, due_at = _next(delivery, sent)
    with transaction.atomic():
        # Only while we still hold the claim: a sweep may have closed it meanwhile.
        AlertDelivery.objects.filter(
            pk=delivery.pk, state__in=(State.SENDING, State.UNKNOWN), attempts=delivery.attempts
        ).update(
            state=state,
            due_at=due_at,
            error=sent.error,
            sent_at=at if state is State.SENT else None,
        )
        event = delivery.event
        transaction.on_commit(
            lambda: announce(user_group(event.user_id), {"type": "alert.delivered", "id": event.pk})
        )
    logger.info("alert.delivery_tried", delivery=delivery.pk, outcome=sent.outcome)
    return state


def _next(delivery: AlertDelivery, sent: Sent) -> tuple[State, object]:
    if sent.outcome is Outcome.SENT:
        return State.SENT, delivery.due_at
    if sent.outcome is Outcome.UNKNOWN:
        return State.UNKNOWN, delivery.due_at
    if sent.outcome is Outcome.AGAIN and delivery.attempts < MOST_ATTEMPTS:
        wait = RETRY_SECONDS[delivery.attempts - 1]
        return State.WAITING, now() + timedelta(seconds=wait)
    return State.FAILED, delivery.due_at


def _note_on_channel(channel: AlertChannel, sent: Sent) -> None:
    row = AlertChannel.objects.filter(pk=channel.pk)
    if sent.outcome is Outcome.SENT:
        row.update(failures=0, last_error="", last_sent_at=now())
        return
    row.update(failures=F("failures") + 1, last_error=sent.error)
    row.filter(failures__gte=MOST_FAILURES).update(
        enabled=False,
        last_error=f"Switched off after {MOST_FAILURES} failures in a row. {sent.error}"[:160],
    )
