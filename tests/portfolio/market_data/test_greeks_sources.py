"""Whose Greeks in which order, and that no fallback takes a leg back in time unseen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from config.core.clock import market_now, now
from config.core.errors import RateLimitedError, RetryableError
from greeks.domain import Contract, Fetched, Snapshot
from greeks.models import ContractGreeks
from greeks.providers.base import SnapshotProvider
from portfolio.brokers.base import BrokerAdapter
from portfolio.domain import Broker
from portfolio.market_data.spots import oldest_usable
from portfolio.models import Account, Position, QuarantinedRow, Quote, SyncRun
from portfolio.refresh import run as refresh
from portfolio.refresh.run import refresh_greeks
from portfolio.sync import fetch as sync_fetch
from tests.factories import AccountFactory
from tests.portfolio.books import (
    FakeAdapter,
    FakeBroker,
    greeks,
    option,
    position,
    quote,
)

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
RunSync = Callable[[str], SyncRun]
CALL, OTHER = option(600), option(610)
DOWN = RetryableError("It did not answer.")


@pytest.fixture
def account(broker: FakeBroker) -> Account:
    broker.positions = [position(CALL, -2)]
    return AccountFactory.create()


@pytest.fixture
def tastytrade(brokers: dict[Broker, FakeBroker]) -> FakeBroker:
    AccountFactory.create(broker=Broker.TASTY.value)
    return brokers[Broker.TASTY]


@pytest.fixture
def polygon(monkeypatch: pytest.MonkeyPatch) -> FakeBroker:
    """The market-data provider, set up, with its script."""
    script = FakeBroker(source="polygon")

    def open_provider(name: str) -> SnapshotProvider:
        assert name == "polygon"
        return FakeAdapter(script)

    for module in (sync_fetch, refresh):
        monkeypatch.setattr(module, "configured_providers", lambda: ("polygon",))
        monkeypatch.setattr(module, "open_provider", open_provider)
    return script


def before_what_is_usable() -> datetime:
    """Older than a fallback's numbers may be, whether the exchange trades now or not."""
    return oldest_usable("USD", market_now()) - timedelta(minutes=1)


def quotes_only(contract: Contract) -> Snapshot:
    return Snapshot(contract=contract, quote=quote(contract), greeks=None)


def greeks_only(contract: Contract, **changes: Any) -> Snapshot:
    found = greeks(contract, source="polygon", delta=0.6, **changes) if contract.is_option else None
    return Snapshot(contract=contract, quote=None, greeks=found)


def leg(contract: Contract = CALL) -> Position:
    return Position.objects.get(symbol=contract.symbol)


@pytest.mark.usefixtures("account")
def test_impossible_greek_is_named_in_the_run_and_the_quote_is_kept(
    broker: FakeBroker, run_sync: RunSync
) -> None:
    fault = "delta: -999 is impossible"
    broker.snapshot = lambda contract: replace(
        quotes_only(contract), faults=(fault,) if contract.is_option else ()
    )
    run = run_sync(Account.objects.get().pk)
    refused = QuarantinedRow.objects.get()
    assert (refused.reason, refused.payload) == (fault, {"symbol": CALL.symbol})
    assert (run.outcome, leg().price) == ("succeeded", quote(CALL).price)


# --- The order --------------------------------------------------------------------------------
@pytest.mark.parametrize("failing", range(5))
def test_each_source_that_fails_leaves_it_to_the_next(
    failing: int,
    account: Account,
    broker: FakeBroker,
    tastytrade: FakeBroker,
    polygon: FakeBroker,
    run_sync: RunSync,
) -> None:
    if failing == 4:
        # Something to remember.
        run_sync(account.pk)
    broker.snapshot = quotes_only if 0 < failing < 4 else DOWN if failing else None
    tastytrade.snapshot = DOWN if failing > 1 else None
    polygon.snapshot = DOWN if failing > 2 else None
    if failing == 4:
        broker.positions = [position(CALL, -2, price=None)]
    tastytrade.calls.clear()

    run = run_sync(account.pk)

    expected = ("ibkr", "tastytrade", "polygon", "model", "ibkr")
    row = leg()
    assert (row.greeks_source, row.greeks_last_known) == (expected[failing], failing == 4)
    assert row.greeks_as_of is not None
    # Nobody is asked for what an earlier one gave.
    assert len(tastytrade.calls) == (failing > 0)
    assert len(polygon.calls) == (failing > 1)
    assert polygon.opened == polygon.closed
    errors = ["tastytrade: provider_unreachable", "polygon: provider_unreachable"]
    assert run.counts.get("fallback_errors", []) == errors[: max(0, failing - 1)]


def test_providers_greeks_are_stored_in_the_shared_cache_with_source_and_age(
    account: Account, broker: FakeBroker, polygon: FakeBroker, run_sync: RunSync
) -> None:
    as_of = market_now() - timedelta(minutes=3)
    broker.snapshot = quotes_only
    polygon.snapshot = lambda contract: greeks_only(contract, as_of=as_of)

    run_sync(account.pk)

    cached = ContractGreeks.objects.get()
    assert (cached.source, cached.as_of, cached.delta_raw) == ("polygon", as_of, 0.6)
    assert (leg().greeks_source, leg().greeks_as_of) == ("polygon", as_of)


def test_what_the_budget_left_out_is_the_next_sources_and_the_run_says_so(
    account: Account,
    broker: FakeBroker,
    polygon: FakeBroker,
    run_sync: RunSync,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = option(600, underlying="AAPL")
    broker.positions = [position(CALL, -2), position(elsewhere, 1)]
    broker.snapshot = quotes_only

    class Limited(FakeAdapter):
        def fetch_snapshots(self, contracts: Any) -> Fetched[Snapshot]:
            return Fetched(
                items=(greeks_only(CALL),),
                left_out={"AAPL": "The call budget polygon (5 in 60 s) is used up."},
                source="polygon",
                as_of=now(),
            )

    monkeypatch.setattr(sync_fetch, "open_provider", lambda _: Limited(polygon))

    run = run_sync(account.pk)

    assert run.outcome == SyncRun.Outcome.SUCCEEDED
    assert leg().greeks_source == "polygon"
    assert leg(elsewhere).greeks_source == "model"
    [note] = run.counts["fallback_errors"]
    assert note == "polygon: left out AAPL (The call budget polygon (5 in 60 s) is used up.)"


# --- No leg goes back in time -----------------------------------------------------------------
def test_fallback_that_is_older_than_what_is_known_is_not_used(
    account: Account, broker: FakeBroker, polygon: FakeBroker, run_sync: RunSync
) -> None:
    run_sync(account.pk)
    known = leg()
    assert known.greeks_source == "ibkr"
    older = market_now() - timedelta(minutes=15)
    broker.snapshot = lambda _: None
    broker.positions = [position(CALL, -2, price=None)]
    polygon.snapshot = lambda contract: greeks_only(contract, as_of=older)

    run_sync(account.pk)

    row = leg()
    assert (row.greeks_source, row.greeks_as_of) == ("ibkr", known.greeks_as_of)
    assert row.greeks_last_known
    assert polygon.calls


def test_fallback_that_is_newer_than_what_is_known_is_used(
    account: Account, broker: FakeBroker, polygon: FakeBroker, run_sync: RunSync
) -> None:
    run_sync(account.pk)
    broker.snapshot = lambda _: None
    broker.positions = [position(CALL, -2, price=None)]
    polygon.snapshot = greeks_only

    run_sync(account.pk)

    assert (leg().greeks_source, leg().delta_raw) == ("polygon", 0.6)


def test_previous_days_greeks_give_way_to_the_model(
    account: Account, broker: FakeBroker, polygon: FakeBroker, run_sync: RunSync
) -> None:
    broker.snapshot = quotes_only
    polygon.snapshot = lambda contract: greeks_only(contract, as_of=before_what_is_usable())

    run_sync(account.pk)

    assert leg().greeks_source == "model"


def test_previous_days_greeks_are_better_than_none_and_keep_their_age(
    account: Account, broker: FakeBroker, polygon: FakeBroker, run_sync: RunSync
) -> None:
    as_of = before_what_is_usable()
    broker.snapshot = lambda _: None
    broker.positions = [position(CALL, -2, price=None)]
    polygon.snapshot = lambda contract: greeks_only(contract, as_of=as_of)

    run_sync(account.pk)

    assert (leg().greeks_source, leg().greeks_as_of) == ("polygon", as_of)


def test_delayed_greeks_are_used_and_keep_their_age(
    account: Account, broker: FakeBroker, polygon: FakeBroker, run_sync: RunSync
) -> None:
    as_of = market_now() - timedelta(minutes=15)
    broker.snapshot = quotes_only
    polygon.snapshot = lambda contract: greeks_only(contract, as_of=as_of)

    run_sync(account.pk)

    assert (leg().greeks_source, leg().greeks_as_of) == ("polygon", as_of)


@pytest.mark.parametrize(
    ("as_of", "price", "source"),
    [
        (before_what_is_usable, Decimal(12), "ibkr"),
        (lambda: market_now() - timedelta(seconds=5), Decimal(14), "polygon"),
    ],
    ids=["old", "recent"],
)
def test_old_quote_of_a_fallback_is_no_better_than_the_brokers_own_mark(
    as_of: Callable[[], datetime],
    price: Decimal,
    source: str,
    account: Account,
    broker: FakeBroker,
    polygon: FakeBroker,
    run_sync: RunSync,
) -> None:
    broker.snapshot = DOWN

    def old(contract: Contract) -> Snapshot:
        found = quote(contract, source="polygon", mark=Decimal(14), as_of=as_of())
        return Snapshot(contract=contract, quote=found, greeks=None)

    polygon.snapshot = old

    run_sync(account.pk)

    assert (leg().price, leg().price_source) == (price, source)


def test_own_brokers_greeks_count_whatever_their_age(
    account: Account, broker: FakeBroker, polygon: FakeBroker, run_sync: RunSync
) -> None:
    as_of = before_what_is_usable()
    broker.snapshot = lambda contract: Snapshot(
        contract=contract,
        quote=quote(contract),
        greeks=greeks(contract, as_of=as_of) if contract.is_option else None,
    )

    run_sync(account.pk)

    assert (leg().greeks_source, leg().greeks_as_of) == ("ibkr", as_of)
    assert polygon.calls == []


# --- The refresh between syncs ----------------------------------------------------------------
@pytest.fixture
def synced(
    account: Account, broker: FakeBroker, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> Account:
    """A synced account of two options; refreshes open the scripts too."""

    def open_adapter(_: Broker | str) -> BrokerAdapter:
        return FakeAdapter(broker)

    monkeypatch.setattr(refresh, "open_adapter", open_adapter)
    broker.positions = [position(CALL, -2), position(OTHER, 1)]
    run_sync(account.pk)
    broker.calls.clear()
    return account


def test_refresh_asks_the_provider_for_what_the_broker_lacks(
    synced: Account, broker: FakeBroker, polygon: FakeBroker
) -> None:
    def lacks_one(contract: Contract) -> Snapshot:
        found = greeks(contract, delta=0.4) if contract == OTHER else None
        return Snapshot(contract=contract, quote=quote(contract), greeks=found)

    broker.snapshot = lacks_one
    polygon.snapshot = greeks_only

    done = refresh_greeks(account_ids=[synced.pk])

    assert done == {}
    assert (leg(CALL).greeks_source, leg(CALL).delta_raw) == ("polygon", 0.6)
    assert (leg(OTHER).greeks_source, leg(OTHER).delta_raw) == ("ibkr", 0.4)
    assert [contract.symbol for contract in polygon.asked] == [CALL.symbol]


def test_refresh_source_polygon_asks_it_first_and_the_broker_for_the_rest(
    synced: Account, broker: FakeBroker, polygon: FakeBroker, settings: Any
) -> None:
    settings.GREEKS_REFRESH_SOURCE = "polygon"
    polygon.snapshot = lambda contract: greeks_only(contract) if contract == CALL else None

    done = refresh_greeks(account_ids=[synced.pk])

    assert done == {}
    assert leg(CALL).greeks_source == "polygon"
    assert leg(OTHER).greeks_source == "ibkr"
    assert polygon.calls == broker.calls == ["snapshots"]
    assert ContractGreeks.objects.get(instrument__symbol=CALL.symbol).source == "polygon"


def test_refresh_source_polygon_that_gives_everything_leaves_the_broker_alone(
    synced: Account, broker: FakeBroker, polygon: FakeBroker, settings: Any
) -> None:
    settings.GREEKS_REFRESH_SOURCE = "polygon"
    before = Quote.objects.get(symbol=CALL.symbol).as_of
    polygon.snapshot = greeks_only

    refresh_greeks(account_ids=[synced.pk])

    assert {leg(CALL).greeks_source, leg(OTHER).greeks_source} == {"polygon"}
    assert broker.calls == []
    assert Quote.objects.get(symbol=CALL.symbol).as_of == before


def test_refresh_source_polygon_does_not_overwrite_newer_greeks_with_delayed_ones(
    synced: Account, broker: FakeBroker, polygon: FakeBroker, settings: Any
) -> None:
    settings.GREEKS_REFRESH_SOURCE = "polygon"
    broker.snapshot = DOWN
    older = market_now() - timedelta(minutes=15)
    polygon.snapshot = lambda contract: greeks_only(contract, as_of=older)
    known = leg().greeks_as_of

    refresh_greeks(account_ids=[synced.pk])

    assert (leg().greeks_source, leg().greeks_as_of) == ("ibkr", known)


def test_refresh_source_polygon_whose_budget_is_used_up_leaves_it_to_the_broker(
    synced: Account, broker: FakeBroker, polygon: FakeBroker, settings: Any
) -> None:
    settings.GREEKS_REFRESH_SOURCE = "polygon"
    polygon.snapshot = RateLimitedError("used up", provider="polygon", retry_after=30)
    broker.snapshot = lambda contract: Snapshot(
        contract=contract, quote=quote(contract), greeks=greeks(contract, delta=0.3)
    )

    done = refresh_greeks(account_ids=[synced.pk])

    assert done == {}
    assert leg().delta_raw == 0.3


def test_refresh_source_that_is_not_set_up_is_the_broker(
    synced: Account, broker: FakeBroker, settings: Any
) -> None:
    settings.GREEKS_REFRESH_SOURCE = "polygon"

    refresh_greeks(account_ids=[synced.pk])

    assert broker.calls == ["snapshots"]
    assert leg().greeks_source == "ibkr"
