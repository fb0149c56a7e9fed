"""The open dashboard of a signal's owner shows what changed at once, not at its next look."""

from __future__ import annotations

from decimal import Decimal

import pytest

from auth_tokens.models import User
from config.core.clock import market_now
from config.core.limited_calls import Work
from greeks.models import Instrument
from portfolio.dashboard import reading
from portfolio.dashboard.feed import DashboardFeed
from portfolio.models import Quote
from tests.factories import UserFactory
from tests.portfolio.risk_monitor.test_live import run, signed_in_cookie
from tests.sockets import ORIGIN, socket
from trades.trade_signals.receiving import enter_signal
from trades.trade_signals.shadows.following import follow_shadows
from trades.trade_signals.sources import source_by_hand

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _only_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DashboardFeed, "look_seconds", 3600.0)
    monkeypatch.setattr(reading, "Work", lambda call, _: Work(call, 60.0))


def advise(owner: User) -> None:
    values = {"symbol": "SPY", "direction": "long"}
    enter_signal(user=owner, source=source_by_hand(owner), values=values)


def quote_and_follow() -> None:
    row = Instrument.objects.get(symbol="SPY")
    amount, at = Decimal(600), market_now()
    Quote.objects.create(
        instrument=row, symbol="SPY", price=amount, bid=amount, ask=amount, source="ibkr", as_of=at
    )
    follow_shadows()


async def test_signal_and_its_shadow_reach_the_open_dashboard() -> None:
    owner = await run(UserFactory)
    cookie = await run(signed_in_cookie, owner)
    async with socket(cookie, ORIGIN, path="/ws/dashboard") as (client_end, _):
        assert (await client_end.frame())["data"]["queued_signals"] == []
        await run(advise, owner)
        sections = (await client_end.frame())["data"]["sections"]
        assert [each["symbol"] for each in sections["queued_signals"]] == ["SPY"]
        await run(quote_and_follow)
        while "shadow_positions" not in sections:
            sections = (await client_end.frame())["data"]["sections"]
        assert [each["symbol"] for each in sections["shadow_positions"]] == ["SPY"]


async def test_signals_of_others_are_not_announced_to_it() -> None:
    owner, other = await run(UserFactory), await run(UserFactory)
    cookie = await run(signed_in_cookie, other)
    async with socket(cookie, ORIGIN, path="/ws/dashboard") as (client_end, _):
        await client_end.frame()
        await run(advise, owner)
        await run(advise, other)
        sections = (await client_end.frame())["data"]["sections"]
        assert len(sections["queued_signals"]) == 1
