"""The live dashboard over a real websocket application, the real hub and a real Valkey."""

from __future__ import annotations

from decimal import Decimal

import pytest

from auth_tokens.models import User
from portfolio.models import Account, AccountAccess
from tests.factories import AccountFactory, UserFactory
from tests.portfolio.risk_monitor.test_live import (
    account_of,
    commit_price,
    run,
    signed_in_cookie,
)
from tests.sockets import ORIGIN, socket

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True)]
SOCKET = "/ws/dashboard"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_snapshot_comes_first_and_then_the_sections_that_change(trader: User) -> None:
    account = await run(account_of, trader)
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path=SOCKET) as (client_end, connected):
        assert connected
        snapshot = await client_end.frame()
        assert snapshot["type"] == "dashboard.snapshot"
        assert snapshot["data"]["positions"][0]["current_price"] == 4
        await run(commit_price, account, "4.75")
        changed = await client_end.frame()
    assert changed["type"] == "dashboard.changed"
    assert changed["previous_version"] == snapshot["version"]
    assert changed["data"]["sections"]["positions"][0]["current_price"] == Decimal("4.75")
    assert changed["data"]["errors"].keys() == snapshot["data"]["errors"].keys()


async def test_accounts_of_others_are_neither_watched_nor_sent(trader: User) -> None:
    stranger = await run(UserFactory)
    foreign = await run(account_of, stranger)
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path=SOCKET) as (client_end, _):
        assert (await client_end.frame())["data"]["positions"] == []
    named = f"{SOCKET}?account_id={foreign.pk}"
    async with socket(cookie, ORIGIN, path=named) as (client_end, connected):
        assert connected
        assert (await client_end.output())["code"] == 4404


async def test_nobody_watches_without_a_session() -> None:
    async with socket(ORIGIN, path=SOCKET) as (_, connected):
        assert not connected


async def test_shared_account_is_watched_by_whom_it_is_shared_with(trader: User) -> None:
    def share() -> Account:
        account: Account = AccountFactory()
        AccountAccess.objects.create(account=account, user=trader)
        return account

    account = await run(share)
    cookie = await run(signed_in_cookie, trader)
    async with socket(cookie, ORIGIN, path=f"{SOCKET}?account_id={account.pk}") as (end, _):
        assert (await end.frame())["type"] == "dashboard.snapshot"
