"""The stream keeps holdings live in Redis, follows the book, and has one owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.conf import LazySettings
from django.db import OperationalError

from config.core.errors import InvalidInput
from config.core.health import heartbeat_age
from config.core.sandbox.server import Sandbox
from greeks.domain import Contract
from greeks.instruments.identity import instrument_key
from greeks.instruments.store import contracts_of
from greeks.models import Instrument
from greeks.providers.streamed_values import read_streamed
from portfolio.brokers.tastytrade.adapter import open_tastytrade
from portfolio.domain import Broker
from portfolio.models import Account, Position, SyncRun
from portfolio.refresh.streamed import refresh_streamed
from portfolio.sandbox.tastytrade.log_ins import CLIENT_SECRET, REFRESH_TOKEN
from portfolio.streams import dxlink as dxlink_stream
from portfolio.streams import publishing
from portfolio.streams.dxlink import DxLinkStream, held_contracts, stream_dxlink
from portfolio.sync.progress import announce_change
from portfolio.sync.run import sync_account
from tests.factories import AccountFactory

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the instruments whose portfolios are queued."""
    found: list[str] = []
    monkeypatch.setattr(publishing, "update_portfolios_for_instruments", found.extend)
    monkeypatch.setattr(dxlink_stream, "WRITE_SECONDS", 0.1)
    monkeypatch.setattr(dxlink_stream, "BETWEEN_LOOKS_SECONDS", 0.1)
    return found


@pytest.fixture
def account(sandbox: Sandbox, settings: LazySettings) -> Account:
    """The simulated account at Tastytrade, synced."""
    settings.TASTYTRADE_URL = sandbox.url("tastytrade")
    settings.TASTYTRADE_CLIENT_SECRET = CLIENT_SECRET
    settings.TASTYTRADE_REFRESH_TOKEN = REFRESH_TOKEN
    account_id = "5WX00001"
    found: Account = AccountFactory.create(account_id=account_id, broker=Broker.TASTY.value)
    sync_account(account_id=account_id, trigger=SyncRun.Trigger.COMMAND)
    assert Position.objects.filter(account=found).count() > 5
    return found


@pytest.fixture
def held(account: Account) -> list[Contract]:
    return list(contracts_of(Instrument.objects.filter(positions__account=account)).values())


@asynccontextmanager
async def running() -> AsyncIterator[DxLinkStream]:
    stream = DxLinkStream()
    task = asyncio.create_task(stream.run())
    try:
        yield stream
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.05)


def told_in_full(held: list[Contract], newest_seconds: float = 60.0) -> bool:
    found = read_streamed("tastytrade", held, newest_seconds=newest_seconds)
    return len(found) == len(held) and all(
        s.quote is not None
        and s.quote.previous_close is not None
        and (s.greeks is not None or not s.contract.is_option)
        for s in found
    )


async def test_held_contracts_are_live_and_move_the_book_without_a_call(
    sandbox: Sandbox, account: Account, held: list[Contract], asked: list[str]
) -> None:
    async with running():
        await until(lambda: told_in_full(held))
        await until(lambda: {instrument_key(contract) for contract in held} <= set(asked))
        await until(lambda: heartbeat_age("provider.tastytrade_dxlink") is not None)
    sandbox.faults.forget_requests()

    assert await database_sync_to_async(refresh_streamed)(account_ids=[account.pk]) == {account.pk}

    rows = await database_sync_to_async(lambda: list(Position.objects.filter(account=account)))()
    adjusted = {row.symbol for row in rows if row.symbol.startswith("NVDA1")}
    sources = {row.greeks_source for row in rows if row.right and row.symbol not in adjusted}
    assert sources == {"tastytrade"}
    for row in rows:
        now = sandbox.market.quote(sandbox.market.contract(row.symbol))
        assert float(row.price) == pytest.approx(now.mark, rel=0.05, abs=0.1)
    assert sandbox.faults.requests(server="tastytrade") == []


async def test_snapshots_come_from_the_stream_first_and_the_rest_by_a_call(
    sandbox: Sandbox, account: Account, held: list[Contract], settings: LazySettings
) -> None:
    async with running():
        await until(lambda: told_in_full(held))
    adapter = open_tastytrade()
    sandbox.faults.forget_requests()
    streamed = {s.contract.symbol: s for s in read_streamed("tastytrade", held, newest_seconds=60)}

    fetched = await asyncio.to_thread(adapter.fetch_snapshots, held)

    assert sandbox.faults.requests(server="tastytrade", path="market-data") == []
    assert {s.contract.symbol: s for s in fetched.items} == streamed
    assert fetched.rejected == ()

    other = next(
        contract
        for contract in sandbox.market.chain("SPY", sandbox.market.expiries("SPY")[3])
        if contract.symbol not in streamed
    )
    fetched = await asyncio.to_thread(adapter.fetch_snapshots, [*held, other])
    assert len(sandbox.faults.requests(server="tastytrade", path="market-data")) == 1
    assert len(fetched.items) == len({c.symbol for c in [*held, other]})

    settings.GREEKS_MINIMUM_AGE_SECONDS = -1
    sandbox.faults.forget_requests()
    fetched = await asyncio.to_thread(adapter.fetch_snapshots, held)
    assert sandbox.faults.requests(server="tastytrade", path="market-data")
    assert len(fetched.items) == len(held)
    adapter.close()


def sell(account: Account) -> None:
    leg = Position.objects.filter(account=account, right="P").first()
    assert leg is not None
    leg.delete()


async def test_contract_that_is_sold_is_no_longer_followed(
    sandbox: Sandbox, account: Account, held: list[Contract]
) -> None:
    async with running() as stream:
        await until(lambda: told_in_full(held))
        before = len(stream.client.state.market.values)
        await database_sync_to_async(sell)(account)
        await asyncio.to_thread(announce_change, account.pk, 99)
        await until(lambda: len(stream.client.state.market.values) == before - 1)
        await until(
            lambda: any(
                "remove=4" in entry.query
                for entry in sandbox.faults.requests(server="dxlink", path="SUBSCRIPTION")
            )
        )


async def test_values_that_redis_did_not_take_are_stored_when_it_is_back(
    account: Account, held: list[Contract], settings: LazySettings
) -> None:
    address = settings.REDIS_URL
    async with running() as stream:
        await until(lambda: stream.client.state.ready)
        settings.REDIS_URL = "redis://127.0.0.1:9/0"
        await until(lambda: stream.client.state.counts.events > 4 * len(held))
        await asyncio.sleep(0.5)
        settings.REDIS_URL = address
        await until(lambda: told_in_full(held))


async def test_book_that_cannot_be_read_is_followed_as_it_was(
    account: Account, held: list[Contract], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Any:
        raise OperationalError("gone")

    async with running() as stream:
        await until(lambda: told_in_full(held))
        monkeypatch.setattr(dxlink_stream, "held_contracts", fail)
        monkeypatch.setattr(publishing, "update_portfolios_for_instruments", lambda _: fail())
        await asyncio.sleep(0.6)
        await until(lambda: told_in_full(held, newest_seconds=0.5))
        assert stream.client.state.counts.connections == 1


async def test_one_stream_of_two_connects(
    sandbox: Sandbox, account: Account, held: list[Contract]
) -> None:
    streams = [asyncio.create_task(stream_dxlink()) for _ in range(2)]
    await until(lambda: told_in_full(held))
    assert len(sandbox.faults.requests(server="dxlink", path="/AUTH")) == 1
    for task in streams:
        task.cancel()
    await asyncio.gather(*streams, return_exceptions=True)


async def test_desk_without_tastytrade_idles(
    sandbox: Sandbox, account: Account, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TASTYTRADE_REFRESH_TOKEN = ""
    monkeypatch.setattr(dxlink_stream, "IDLE_SECONDS", 0.05)
    sandbox.faults.forget_requests()
    task = asyncio.create_task(stream_dxlink())
    await asyncio.sleep(0.3)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert sandbox.faults.requests() == []


def test_followed_are_the_held_their_underlyings_and_the_pulse(
    account: Account, held: list[Contract]
) -> None:
    followed = held_contracts()

    symbols = {contract.symbol for contract in followed.contracts.values()}
    assert {contract.symbol for contract in held} <= symbols
    assert {contract.underlying for contract in held if contract.is_option} | {"SPY"} <= symbols
    assert followed.account_ids == {account.pk}


def test_future_that_is_not_held_is_followed_for_the_option_on_it(account: Account) -> None:
    Position.objects.exclude(instrument_type="future_option").delete()
    (option,) = Position.objects.all()

    followed = held_contracts().contracts

    assert {"SPY", f"{option.underlying}:XCME"} < set(followed)
    assert len(followed) == 3
    future = followed[f"{option.underlying}:XCME"]
    assert instrument_key(future) == option.instrument.underlying_key


def test_contracts_in_other_currencies_are_not_followed(account: Account) -> None:
    leg = Position.objects.filter(account=account, right="P").first()
    assert leg is not None
    Instrument.objects.filter(pk=leg.instrument_id).update(currency="EUR")
    leg.instrument.aliases.all().delete()

    assert leg.symbol not in {c.symbol for c in held_contracts().contracts.values()}


def test_more_symbols_than_the_vendor_bears_are_cut(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dxlink_stream, "MOST_SYMBOLS", 3)

    assert len(held_contracts().contracts) == 3


def test_empty_book_follows_nothing(account: Account) -> None:
    Position.objects.all().delete()

    assert held_contracts().contracts == {}


@pytest.mark.parametrize(("open_now", "owed"), [(True, True), (False, False), (None, False)])
def test_data_is_owed_while_the_exchange_is_known_to_trade(
    account: Account, monkeypatch: pytest.MonkeyPatch, open_now: bool | None, owed: bool
) -> None:
    def session(exchange: str, at: Any) -> object | None:
        if open_now is None:
            raise InvalidInput("no calendar")
        return object() if open_now else None

    monkeypatch.setattr(publishing, "current_session", session)

    assert held_contracts().market_trades is owed


def test_frozen_market_owes_no_data(
    account: Account, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "current_session", lambda *_: object())
    settings.MARKET_CLOCK = "2026-11-20T15:00:00+00:00"

    assert held_contracts().market_trades is False


async def test_our_own_prices_do_not_make_it_read_what_is_held() -> None:
    stream = DxLinkStream()
    stream._announced({"type": "account.changed", "prices_only": True})
    assert not stream._book_changed.is_set()
    for message in ({"type": "account.changed"}, {"type": "hub.reconnected"}):
        stream._book_changed.clear()
        stream._announced(message)
        assert stream._book_changed.is_set()
