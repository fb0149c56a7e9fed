"""What the desk of the alerts' browser tests holds: two people, rules, events; and what happens."""

from __future__ import annotations

from datetime import timedelta

from auth_tokens.broker_tokens.crypto import encrypt
from auth_tokens.models import BrokerToken, User
from config.core.clock import market_now, now
from greeks.alerts.events import raise_system_alert, raise_user_alert
from greeks.models import AlertChannel, AlertDelivery, AlertEvent, AlertRule, PolledInstrument
from tests.e2e import market_rows

NAME, PASSWORD = "operator", "a-long-passphrase"


def seed() -> None:
    """The seeded market, and an operator with rules, a channel and a token that has failed."""
    market_rows.seed()
    operator = User.objects.create_superuser(NAME, password=PASSWORD)
    nifty, bank = PolledInstrument.objects.order_by("position", "slug")[:2]
    channel = AlertChannel.objects.create(
        user=operator,
        name="Phone",
        service="Telegram",
        address_encrypted=encrypt("tgram://canary", provider="alert_channel"),
        last_sent_at=now() - timedelta(minutes=12),
    )
    vega = AlertRule.objects.create(
        user=operator,
        instrument=nifty,
        metric="vega",
        side="total",
        measure="change",
        comparison="above",
        threshold=12.5,
        last_event_minute=market_now() - timedelta(minutes=7),
    )
    vega.channels.add(channel)
    AlertRule.objects.create(
        user=operator,
        instrument=bank,
        metric="delta",
        side="put",
        delta_min=0.2,
        delta_max=0.5,
        comparison="crosses",
        threshold=-3.25,
        band=0.5,
        enabled=False,
    )
    event = AlertEvent.objects.create(
        user=operator,
        rule=vega,
        minute=market_now() - timedelta(minutes=7),
        value=13.4,
        threshold=12.5,
        title="NIFTY 50: Total vega, change in a minute above 12.50",
        text="13.40 in the minute 10:58 IST of 26 Nov 2026, expiry 1 Dec 26. Simulated market.",
    )
    AlertDelivery.objects.create(
        event=event, channel=channel, state="sent", due_at=now(), sent_at=now()
    )
    raise_system_alert(
        subject="token:upstox",
        title="The token of upstox could not be renewed",
        text="The PIN was refused. The desk will not retry until somebody acts: see System.",
    )
    BrokerToken.objects.create(provider="upstox", ciphertext=encrypt("canary", provider="upstox"))


def raise_event(*, title: str) -> None:
    """What a portfolio of the operator's does when it moves by more than they set."""
    raise_user_alert(
        user_id=User.objects.get(username=NAME).pk,
        title=title,
        text="14.20",
        kind=AlertEvent.Kind.BOOK,
    )
