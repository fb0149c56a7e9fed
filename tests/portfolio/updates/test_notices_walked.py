"""From a portfolio's move to its owner: on the open page, and through the owner's channel."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from auth_tokens.models import User
from greeks.alerts.sending.channels import create_alert_channel
from greeks.alerts.sending.delivery import deliver_alert, due_deliveries
from greeks.calendar.seeding import seed_exchange_sessions
from portfolio.models import Account, Portfolio, Position
from portfolio.updates.calculation import recalculate
from portfolio.updates.summaries import summarise_days
from tests.factories import AccountFactory, PositionFactory, UserFactory
from tests.greeks.alerts.conftest import receiver  # noqa: F401
from tests.greeks.alerts.receiver import Receiver
from tests.portfolio.risk_monitor.test_live import run, signed_in_cookie
from tests.sockets import ORIGIN, Socket, socket

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True)]
# A Monday: NYSE closes at 21:00 UTC.
NOON = datetime(2026, 11, 30, 17, 0, tzinfo=UTC)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def book_of(owner: User, address: str) -> Portfolio:
    """A portfolio that tells its owner of each 2 % and of each session, with a channel."""
    seed_exchange_sessions(exchange="NYSE", from_year=2026, to_year=2026)
    account: Account = AccountFactory(owner=owner, time_zone="America/New_York", simulated=False)
    PositionFactory(account=account, underlying="SPY", market_value=10_000, daily_change=0)
    create_alert_channel(user=owner, name="hook", address=address)
    Portfolio.objects.update(notice_percent=2, daily_summary=True)
    return Portfolio.objects.get(owner=owner)


def move(portfolio: Portfolio, change: int) -> None:
    """What the update queue does when the book has changed by so much today."""
    Position.objects.update(market_value=10_000 + change, daily_change=change)
    recalculate([portfolio.pk])


def send_what_is_due() -> None:
    """What a worker does, once for each message."""
    for delivery_id in due_deliveries():
        deliver_alert(delivery_id=delivery_id)


async def told(page: Socket, title: str) -> dict[str, Any]:
    """Wait for the frame that has the alert; what was sent of another may come before it."""
    while True:
        for event in (await page.frame())["data"]["events"]:
            if event["title"] == title:
                return event


async def test_move_and_summary_reach_the_page_and_the_channel(
    receiver: Receiver,  # noqa: F811
) -> None:
    trader = await run(UserFactory)
    stranger = await run(UserFactory)
    with time_machine.travel(NOON, tick=True):
        portfolio = await run(book_of, trader, receiver.address)
        cookie = await run(signed_in_cookie, trader)
        others = await run(signed_in_cookie, stranger)
        async with (
            socket(cookie, ORIGIN, path="/ws/alerts") as (page, _),
            socket(others, ORIGIN, path="/ws/alerts") as (elsewhere, _),
        ):
            for opened in (page, elsewhere):
                assert (await opened.frame())["data"]["events"] == []
            await run(move, portfolio, 150)
            await run(move, portfolio, -250)
            notice = await told(page, "All accounts: down 2.50 % today")
            assert notice["text"] == "30 Nov 2026: -250 (-2.50 %) USD, value 9,750."
            await run(send_what_is_due)
            with time_machine.travel(NOON + timedelta(hours=4, minutes=16), tick=True):
                assert await run(summarise_days) == 1
                await run(send_what_is_due)
            await told(page, "All accounts: the day")
    assert [each["title"] for each in receiver.messages] == [
        "All accounts: down 2.50 % today",
        "All accounts: the day",
    ]
    assert receiver.messages[1]["message"].endswith("Most: SPY -250.")
