"""A user's alerts over the real websocket application, the real hub and a real Valkey."""

from __future__ import annotations

import pytest
import time_machine

from auth_tokens.models import User
from auth_tokens.sessions.revocation import revoke_sessions
from greeks.alerts.evaluation import evaluate_alerts
from greeks.alerts.feed import AlertFeed
from greeks.models import AlertEvent
from tests.factories import UserFactory
from tests.greeks.alerts.rows import EXPIRY, make_rule, minute, store_minute
from tests.portfolio.risk_monitor.test_live import run, signed_in_cookie
from tests.sockets import ORIGIN, socket

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True), pytest.mark.any_database]

PATH = "/ws/alerts"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def trader() -> User:
    return UserFactory.create()


def fire(user: User) -> None:
    """What a worker does when a minute has closed: one rule of the user's fires."""
    make_rule(user)
    store_minute(0, 101.0)
    with time_machine.travel(minute(1), tick=False):
        evaluate_alerts(slug="nifty", expiry=EXPIRY, minute=minute(0))


async def test_snapshot_comes_first_and_then_what_is_raised(trader: User) -> None:
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path=PATH) as (client_end, connected):
        assert connected
        snapshot = await client_end.frame()
        assert (snapshot["type"], snapshot["data"]["events"]) == ("alerts.snapshot", [])
        await run(fire, trader)
        changed = await client_end.frame()
    assert changed["type"] == "alerts.changed"
    assert changed["previous_version"] == snapshot["version"]
    assert changed["data"]["unread"] == 1
    assert [event["title"] for event in changed["data"]["events"]] == [
        "NIFTY 50: Spot above 100.00"
    ]


async def test_alert_whose_announcement_was_lost_is_shown_at_the_next_look(
    trader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AlertFeed, "look_seconds", 0.05)
    monkeypatch.setattr(AlertFeed, "heard", lambda _feed, _message: False)
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path=PATH) as (client_end, _):
        await client_end.frame()
        await run(fire, trader)
        changed = await client_end.frame()
    assert (changed["type"], changed["data"]["unread"]) == ("alerts.changed", 1)


async def test_others_alerts_are_not_heard(trader: User) -> None:
    other = await run(UserFactory.create)
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path=PATH) as (client_end, _):
        await client_end.frame()
        await run(fire, other)
        await client_end.send('{"type": "resync"}')
        again = await client_end.frame()
    assert (again["type"], again["data"]["events"]) == ("alerts.snapshot", [])
    assert await run(AlertEvent.objects.count) == 1


async def test_socket_ends_with_the_session(trader: User) -> None:
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path=PATH) as (client_end, _):
        await client_end.frame()
        await run(end_session, trader)
        assert (await client_end.frame())["type"] == "session.ended"
        closed = await client_end.output()
    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)


def end_session(user: User) -> None:
    user.set_unusable_password()
    user.save()
    revoke_sessions(user_ids=[user.pk])


async def test_stranger_is_refused_before_the_handshake() -> None:
    async with socket(ORIGIN, path=PATH) as (_, connected):
        assert not connected


async def test_message_that_is_not_ours_closes_the_socket(trader: User) -> None:
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path=PATH) as (client_end, _):
        await client_end.frame()
        await client_end.send('{"type": "trade"}')
        closed = await client_end.output()
    assert (closed["type"], closed["code"]) == ("websocket.close", 4400)
