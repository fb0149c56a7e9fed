"""A chain that the market polls moves what is held of it, and its portfolios, between syncs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import time_machine
from django.conf import LazySettings
from django.db import OperationalError
from pytest_django import DjangoAssertNumQueries

from config.core.clock import market_now
from config.core.redis.client import key, redis_client
from greeks.chains import OptionChain
from greeks.domain import Contract, Snapshot
from greeks.instruments.identity import instrument_key
from greeks.models import PolledInstrument
from greeks.polling.poll import Outcome, poll_chain
from greeks.providers.chain_snapshots import snapshots_of
from greeks.providers.streamed_values import store_streamed
from portfolio.market_data import prices
from portfolio.models import Account, Portfolio, Position, PriceBar, Quote, SyncRun
from portfolio.streams import chains, publishing
from portfolio.streams.updates import UpdateLoop
from tests.factories import AccountFactory
from tests.greeks.scripted import (
    EXPIRY,
    LATER,
    OPENS,
    ScriptedProvider,
    chain_at,
    polled_instrument,
)
from tests.portfolio.books import FakeBroker, option, position, quote, stock

pytestmark = pytest.mark.django_db(transaction=True)
SYNCED = OPENS + timedelta(minutes=10)
SLOT = SYNCED + timedelta(seconds=20)
RELIANCE = "NSE_EQ|INE002A01018"
Hold = Callable[..., Account]


def indian(strike: int = 26_000, underlying: str = "NIFTY", expiry: date = EXPIRY) -> Contract:
    return option(
        strike, underlying=underlying, currency="INR", multiplier=Decimal(75), expiry=expiry
    )


CALL = indian()


class Chains(ScriptedProvider):
    """Scripted chains by a vendor's name, as of a time of their own."""

    vendor = "upstox"
    behind = timedelta()

    def fetch_chain(self, instrument_key: str, expiry: date) -> OptionChain:
        at = self.clock() - self.behind
        return replace(chain_at(at, expiry=expiry, key=instrument_key), source=self.vendor)


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> Iterator[Chains]:
    settings.PORTFOLIO_UPDATE_DEBOUNCE_SECONDS = 0.0
    settings.PORTFOLIO_UPDATE_MAXIMUM_WAIT_SECONDS = 0.0
    provider = Chains(market_now)
    monkeypatch.setattr("greeks.polling.providers.open_chain_provider", lambda _: provider)
    polled_instrument()
    with time_machine.travel(SYNCED, tick=False):
        yield provider


@pytest.fixture
def hold(vendor: Chains, broker: FakeBroker, run_sync: Callable[[str], SyncRun]) -> Hold:
    def held(*contracts: Contract) -> Account:
        account: Account = AccountFactory.create(base_currency="INR")
        broker.positions = [position(each, 2) for each in contracts]
        # No broker has Greeks of India.
        broker.snapshot = lambda each: Snapshot(contract=each, quote=quote(each), greeks=None)
        run_sync(account.pk)
        PriceBar.objects.all().delete()
        looked()
        return account

    return held


def poll(slug: str = "nifty-50", at: datetime = SLOT) -> Outcome:
    with time_machine.travel(at, tick=False):
        return poll_chain(slug=slug, expiry=EXPIRY, slot=at).outcome


def looked() -> None:
    async def run() -> None:
        loop = UpdateLoop()
        await loop.look()
        await loop.settle()

    asyncio.run(run())


def revalued() -> None:
    with time_machine.travel(SLOT, tick=False):
        looked()


def mid(contract: Contract, at: datetime = SLOT) -> Decimal:
    (found,) = snapshots_of(chain_at(at), [contract])
    assert found.quote is not None
    assert found.quote.mid is not None
    return found.quote.mid.quantize(Decimal("0.000001"))


def waiting(account: Account) -> set[str]:
    portfolio = Portfolio.objects.get(owner=account.owner)
    return {
        str(each) for each in redis_client().smembers(key("updates", f"symbols:{portfolio.pk}"))
    }


def test_polled_price_is_stored_and_reaches_position_and_portfolio(hold: Hold) -> None:
    account = hold(CALL)
    assert poll() is Outcome.SAMPLED

    stored = Quote.objects.get(instrument__key=instrument_key(CALL))
    assert (stored.price, stored.source, stored.as_of) == (mid(CALL), "upstox", SLOT)
    # The chain tells the last close and no opening price: the broker's of the same session stays.
    assert (stored.opening_price, stored.previous_close) == (11, stored.bid)
    (bar,) = PriceBar.objects.filter(instrument=stored.instrument)
    assert (bar.close, bar.source) == (stored.price, "upstox")
    assert instrument_key(CALL) in waiting(account)

    revalued()
    row = Position.objects.get()
    assert (row.price, row.price_source, row.price_as_of) == (mid(CALL), "upstox", SLOT)
    assert float(row.underlying_price or 0) == pytest.approx(chain_at(SLOT).spot, abs=1e-4)
    assert (row.greeks_source, row.greeks_as_of) == ("upstox", SLOT)
    portfolio = Portfolio.objects.get(owner=account.owner)
    assert portfolio.value == row.market_value == mid(CALL) * 150
    assert portfolio.daily_change == (mid(CALL) - 11) * 150


@pytest.mark.parametrize(
    ("held", "underlying", "is_moved"),
    [
        pytest.param(indian(underlying="NIFTY50"), "NIFTY", True, id="IBKR's name of the index"),
        pytest.param(stock("RELIANCE", currency="INR"), "RELIANCE", True, id="share by itself"),
        pytest.param(indian(underlying="RELIANCE"), "RELIANCE", True, id="option on a share"),
        pytest.param(indian(expiry=LATER), "NIFTY", False, id="another expiry"),
        pytest.param(indian(26_010), "NIFTY", False, id="strike that the chain has not"),
        pytest.param(indian(underlying="BANKNIFTY"), "NIFTY", False, id="another index"),
    ],
)
def test_only_what_is_held_of_the_chain_moves(
    held: Contract, underlying: str, is_moved: bool, hold: Hold
) -> None:
    if underlying != "NIFTY":
        PolledInstrument.objects.update(underlying=underlying, instrument_key=RELIANCE)
    hold(held)
    poll()
    revalued()
    row = Position.objects.get()
    assert (row.price_source == "upstox") == is_moved
    if is_moved:
        moved = mid(held) if held.is_option else chain_at(SLOT).spot
        assert float(row.price or 0) == pytest.approx(float(moved or 0), abs=1e-4)


def test_own_brokers_fresher_price_wins(hold: Hold, vendor: Chains) -> None:
    hold(CALL)
    vendor.behind = timedelta(seconds=25)
    poll()
    revalued()
    assert Position.objects.get().price_source == "ibkr"
    # A stream's own price too, which the chain's is not older than.
    vendor.behind = timedelta()
    own = quote(CALL, as_of=SYNCED + timedelta(seconds=15), mark=Decimal(77))
    store_streamed("ibkr", [Snapshot(contract=CALL, quote=own, greeks=None)])
    poll(at=SLOT + timedelta(seconds=5))
    with time_machine.travel(SLOT + timedelta(seconds=5), tick=False):
        looked()
    assert (Position.objects.get().price_source, Position.objects.get().price) == ("ibkr", 77)


def test_prices_of_other_times_move_nothing(hold: Hold, vendor: Chains) -> None:
    """Cboe's files are late, and a last trade without a market has no time."""
    hold(CALL)
    vendor.vendor = "cboe"
    poll()
    one_sided = replace(chain_at(SLOT), source="upstox", bid=np.full(80, np.nan), spot=None)
    chains.price_what_is_held(PolledInstrument.objects.get(), one_sided)
    revalued()
    assert Position.objects.get().price_source == "ibkr"
    assert set(Quote.objects.values_list("source", flat=True)) == {"ibkr"}


def test_look_for_holders_is_one_query_and_is_remembered(
    vendor: Chains, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    chain, instrument = replace(chain_at(SLOT), source="upstox"), PolledInstrument.objects.get()
    with django_assert_num_queries(1):
        chains.price_what_is_held(instrument, chain)
    with django_assert_num_queries(0):
        chains.price_what_is_held(instrument, chain)


@pytest.mark.parametrize("trouble", ["holders", "queue", "redis"])
def test_trouble_with_portfolios_stops_neither_sample_nor_price(
    hold: Hold, trouble: str, monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    hold(CALL)

    def broken(*_: Any, **__: Any) -> Any:
        raise OperationalError("gone")

    if trouble == "redis":
        settings.REDIS_URL = "unix:///nonexistent/greekdesk.sock?db=0"
    elif trouble == "queue":
        monkeypatch.setattr(publishing, "update_portfolios_for_instruments", broken)
    else:
        monkeypatch.setattr(chains, "_held", broken)
    assert poll() is (Outcome.UNSTORED if trouble == "redis" else Outcome.SAMPLED)
    stored = Quote.objects.get(instrument__key=instrument_key(CALL))
    assert stored.source == ("ibkr" if trouble == "holders" else "upstox")


def test_trouble_with_prices_stops_no_update(hold: Hold, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(CALL)

    def broken(*_: Any, **__: Any) -> None:
        raise OperationalError("disk full")

    monkeypatch.setattr(prices, "write_quotes", broken)
    poll()
    revalued()
    assert Position.objects.get().price == mid(CALL)


def test_roots_at_one_strike_are_told_apart_by_the_vendors_ticker() -> None:
    day = date(2026, 12, 18)
    roots = ("SPX", "SPXW", "SPXW1")
    legs = [option(6000, underlying="SPX", root=root, expiry=day) for root in (*roots, "NDX")]
    chain = replace(
        chain_at(SLOT, strikes=2),
        source="polygon",
        counts_contracts=True,
        keys=(*(f"O:{root}261218C06000000" for root in roots), "O:SPX261218P06000000"),
        strike=np.full(4, 6000.0),
        is_call=np.array([True, True, True, False]),
        bid=np.array([1.0, 2.0, 3.0, 4.0]),
        volume=np.full(4, 7.0),
    )
    found = [each.quote for each in snapshots_of(chain, legs) if each.quote is not None]
    assert [(each.contract.root, each.bid, each.volume) for each in found] == [
        ("SPX", Decimal(1), 7), ("SPXW", Decimal(2), 7), ("SPXW1", Decimal(3), 7),
    ]  # fmt: skip
    assert {each.source for each in found} == {"polygon"}
