"""Create, test and delete a user's channels. The address is encrypted and never shown again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction

from auth_tokens.audit.writing import record_audit_event
from auth_tokens.broker_tokens.crypto import Undecryptable, decrypt, encrypt, rotated
from auth_tokens.models import User
from config.core.clock import now
from config.core.errors import Conflict, Forbidden, InvalidInput, RateLimitedError
from greeks.alerts.events import tell_of
from greeks.alerts.reading import AnyUser, channel_for_user
from greeks.alerts.sending.messengers import read_address
from greeks.models import AlertChannel, AlertDelivery, AlertEvent

MOST_CHANNELS = 5
#: Test messages a user may send in an hour.
MOST_TESTS = 10
_OWNER = "alert_channel"


def create_alert_channel(*, user: AnyUser, name: Any, address: Any) -> AlertChannel:
    """Create a channel. Nothing is sent: use the test message for that.

    Raises:
        InvalidInput: naming the field. Conflict: the name is taken, or there are too many.
    """
    if not isinstance(user, User):
        raise Forbidden("Channels are kept for users.")
    problems: dict[str, str] = {}
    name = name.strip() if isinstance(name, str) else ""
    if not name or len(name) > 48 or not name.isprintable():
        problems["name"] = "Expected 1 to 48 printable characters."
    if not isinstance(address, str) or not address.strip():
        problems["address"] = "Missing."
    if problems:
        raise InvalidInput(
            "; ".join(f"{field}: {problem}" for field, problem in problems.items()),
            fields=problems,
        )
    destination = read_address(address.strip())
    with transaction.atomic():
        # Lock the user's row, so that two requests cannot both add the last channel allowed.
        User.objects.select_for_update().get(pk=user.pk)
        if AlertChannel.objects.filter(user=user).count() >= MOST_CHANNELS:
            raise Conflict(f"At most {MOST_CHANNELS} channels are kept: delete one first.")
        channel = _save(
            AlertChannel(
                user=user,
                name=name,
                service=destination.service,
                host=destination.host,
                address_encrypted=encrypt(address.strip(), provider=_OWNER),
            )
        )
        _audit(user, "alert_channel.created", channel)
    return channel


def delete_alert_channel(*, user: AnyUser, channel_id: int) -> None:
    """Delete one of the user's channels. Raises ``NotFound`` like the others."""
    channel = channel_for_user(user, channel_id)
    with transaction.atomic():
        _audit(channel.user, "alert_channel.deleted", channel)
        channel.delete()


def send_test_alert(*, user: AnyUser, channel_id: int) -> AlertEvent:
    """Send a test message; switch the channel back on if failures had switched it off.

    Raises:
        NotFound: it is not the user's channel. RateLimitedError: too many tests in this hour.
    """
    channel = channel_for_user(user, channel_id)
    at = now()
    recent = AlertEvent.objects.filter(
        user=channel.user, kind=AlertEvent.Kind.TEST, created_at__gt=at - timedelta(hours=1)
    )
    if recent.count() >= MOST_TESTS:
        raise RateLimitedError(
            f"At most {MOST_TESTS} test messages are sent in an hour.", retry_after=600
        )
    with transaction.atomic():
        AlertChannel.objects.filter(pk=channel.pk).update(enabled=True, failures=0, last_error="")
        event = AlertEvent.objects.create(
            user=channel.user,
            kind=AlertEvent.Kind.TEST,
            minute=at.replace(second=0, microsecond=0),
            title=f"Test message to {channel.name}",
            text="Greekdesk can reach you here. Alerts will look like this.",
            read_at=at,
        )
        delivery = AlertDelivery.objects.create(event=event, channel=channel, due_at=at)
        tell_of([event], [delivery])
    return event


def channel_address(channel: AlertChannel) -> str | None:
    """Decrypt the channel's address; ``None`` if no key can."""
    try:
        return decrypt(channel.address_encrypted, provider=_OWNER)
    except Undecryptable:
        return None


def rotate_alert_channels() -> int:
    """Re-encrypt under the first key every address that is under another; return how many."""
    changed = 0
    for channel in AlertChannel.objects.only("pk", "address_encrypted").iterator():
        try:
            ciphertext = rotated(channel.address_encrypted)
        except Undecryptable:
            continue
        if ciphertext is not None:
            AlertChannel.objects.filter(
                pk=channel.pk, address_encrypted=channel.address_encrypted
            ).update(address_encrypted=ciphertext)
            changed += 1
    return changed


def _save(channel: AlertChannel) -> AlertChannel:
    try:
        with transaction.atomic():
            channel.save()
    except IntegrityError:
        problem = "You already have a channel of that name."
        raise Conflict(f"name: {problem}", fields={"name": problem}) from None
    return channel


def _audit(user: User, event: str, channel: AlertChannel) -> None:
    record_audit_event(
        event=event,
        subject=f"alert_channel {channel.pk}",
        detail={"user": user.get_username(), "service": channel.service, "host": channel.host},
        actor=user,
    )
