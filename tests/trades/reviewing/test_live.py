"""New fills over the real websocket application, the real hub and a real Valkey."""

from __future__ import annotations

import pytest

from portfolio.models import Account
from tests.factories import AccountFactory
from tests.portfolio.risk_monitor.test_live import run, signed_in_cookie
from tests.sockets import ORIGIN, socket
from tests.trades.strategies.test_store import fill, record

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def account() -> Account:
    return AccountFactory.create(account_id="U1", account_number="U1", broker="IBKR")


async def test_new_fills_are_sent_to_those_who_may_see_them(account: Account) -> None:
    cookie = await run(signed_in_cookie, account.owner)
    stranger = await run(AccountFactory.create)
    other = await run(signed_in_cookie, stranger.owner)
    async with (
        socket(cookie, ORIGIN, path="/ws/trades") as (client_end, connected),
        socket(other, ORIGIN, path="/ws/trades") as (others_end, _),
    ):
        assert connected
        snapshot = await client_end.frame()
        assert (snapshot["type"], snapshot["data"]["fills"]) == ("trades.snapshot", [])
        assert (await others_end.frame())["data"]["fills"] == []
        await run(record, fill(1, -1), fill(2, -2))
        changed = await client_end.frame()
        assert changed["type"] == "trades.changed"
        assert changed["previous_version"] == snapshot["version"]
        assert [each["quantity"] for each in changed["data"]["fills"]] == [-2, -1]


async def test_another_users_account_closes_the_socket(account: Account) -> None:
    stranger = await run(AccountFactory.create)
    cookie = await run(signed_in_cookie, stranger.owner)
    path = "/ws/trades?account_id=U1"
    async with socket(cookie, ORIGIN, path=path) as (client_end, _):
        assert (await client_end.output())["code"] == 4404
