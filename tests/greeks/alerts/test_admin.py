"""What the administration shows of alerts, and how long they are kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client
from pytest_django.fixtures import Settings

from config.core.clock import now
from greeks.alerts.sending.channels import create_alert_channel
from greeks.models import AlertChannel, AlertDelivery, AlertEvent
from portfolio.history.retention import delete_expired
from tests.factories import UserFactory
from tests.greeks.alerts.receiver import Receiver
from tests.greeks.alerts.rows import make_rule, minute

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_administration_shows_alerts_without_an_address(receiver: Receiver) -> None:
    owner = UserFactory.create(is_staff=True, is_superuser=True)
    channel = create_alert_channel(user=owner, name="Hook", address=receiver.address)
    rule = make_rule(owner)
    event = AlertEvent.objects.create(user=owner, rule=rule, minute=minute(1), title="Up", text="")
    client = Client()
    client.force_login(owner)
    for path in (
        "alertchannel/", f"alertchannel/{channel.pk}/change/",
        "alertrule/", f"alertrule/{rule.pk}/change/",
        "alertevent/", f"alertevent/{event.pk}/change/",
    ):  # fmt: skip
        answer = client.get(f"/admin/greeks/{path}")
        assert answer.status_code == 200, path
        body = answer.content.decode()
        assert "canary-of-the-channel" not in body
        assert channel.address_encrypted not in body


def test_old_alerts_are_deleted_with_their_messages(receiver: Receiver) -> None:
    owner = UserFactory.create()
    channel = create_alert_channel(user=owner, name="Hook", address=receiver.address)
    for index in range(2):
        event = AlertEvent.objects.create(user=owner, minute=minute(index), title="Up", text="")
        AlertDelivery.objects.create(event=event, channel=channel, due_at=now())
    AlertEvent.objects.filter(pk=event.pk).update(created_at=now() - timedelta(days=91))
    deleted = delete_expired().deleted
    assert (deleted["alert_events"], deleted["alert_deliveries"]) == (1, 1)
    assert AlertEvent.objects.count() == AlertDelivery.objects.count() == 1
    assert AlertChannel.objects.count() == 1


def test_misspelt_service_is_an_error_of_the_settings(settings: Settings) -> None:
    settings.ALERT_SCHEMAS = ["tgram", "telegraph"]
    with pytest.raises(SystemCheckError, match="ALERT_SCHEMAS names telegraph"):
        call_command("check")
