"""Between two prices of the broker an option follows its underlying by the model, and says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from config.core.clock import market_now
from greeks.domain import Contract, Deliverable, InstrumentKind, Snapshot
from greeks.providers.streamed_values import store_streamed
from greeks.underlyings import spot_contract
from portfolio.book.reading import book_of
from portfolio.models import Account, Position, Quote, SyncRun
from portfolio.refresh.streamed import refresh_streamed
from portfolio.templatetags.position_row import _price_mark
from tests.factories import AccountFactory
from tests.portfolio.books import FakeBroker, greeks, option, position, quote, stock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]
EXPIRY = date.today() + timedelta(days=45)  # noqa: DTZ011
FUTURE_KEY = f"future:ES:{EXPIRY:%Y%m%d}:50:USD"
OPTIONS = {
    "share": option(600),
    "index_am": option(600, underlying="SPX"),
    "index_pm": option(600, underlying="SPX", root="SPXW"),
    "option_on_a_future": option(
        600,
        underlying="ES",
        kind=InstrumentKind.FUTURE_OPTION,
        multiplier=Decimal(50),
        underlying_key=FUTURE_KEY,
        expiry=EXPIRY,
    ),
    "adjusted": option(
        600, root="SPY1", deliverable=Deliverable(shares=Decimal(100), cash=Decimal(0))
    ),
    "foreign": option(600, underlying="SAP", currency="EUR"),
}
Later = Callable[[int], None]


@pytest.fixture
def later() -> Iterator[Later]:
    with time_machine.travel(market_now(), tick=False) as clock:
        yield lambda seconds: clock.shift(timedelta(seconds=seconds))


@pytest.fixture
def account(later: Later) -> Account:
    found: Account = AccountFactory.create()
    return found


def hold(contract: Contract, broker: FakeBroker, run: Callable[[str], SyncRun], pk: str) -> None:
    """Sync a book of the contract and its underlying."""
    under = spot_contract(contract)
    broker.positions = [position(contract, 2)] + ([position(under, 1)] if under else [])
    assert run(pk).outcome == SyncRun.Outcome.SUCCEEDED


def stream(contract: Contract, price: str, **changes: Any) -> None:
    values = {"bid": None, "ask": None, "mark": Decimal(price), "source": "ibkr"} | changes
    moved = quote(contract, **values)
    assert store_streamed("ibkr", [Snapshot(contract=contract, quote=moved, greeks=None)])


def row(contract: Contract) -> Position:
    return Position.objects.get(instrument__symbol=contract.symbol)


@pytest.mark.parametrize("kind", OPTIONS)
def test_option_follows_its_underlying_until_its_own_price_comes(
    kind: str,
    account: Account,
    broker: FakeBroker,
    run_sync: Callable[[str], SyncRun],
    later: Later,
) -> None:
    contract = OPTIONS[kind]
    under = spot_contract(contract)
    assert under is not None
    hold(contract, broker, run_sync, account.pk)
    own = row(contract)
    assert (own.price, own.price_source) == (Decimal(12), "ibkr")

    later(10)
    stream(under, "606")
    assert refresh_streamed(account_ids=[account.pk])
    found = row(contract)
    assert found.price_source == "model"
    assert found.price_as_of == market_now()
    assert Decimal(14) < (found.price or 0) < Decimal(17)
    assert found.market_value == (found.price or 0) * 2 * found.multiplier
    assert found.greeks_as_of == own.greeks_as_of
    # What the broker said stays what it said.
    assert Quote.objects.get(instrument=found.instrument).price == Decimal(12)

    later(10)
    stream(under, "600")
    refresh_streamed(account_ids=[account.pk])
    assert row(contract).price == pytest.approx(Decimal(12), abs=Decimal("0.02"))

    later(1)
    stream(contract, "12.8", as_of=market_now() - timedelta(seconds=3))
    refresh_streamed(account_ids=[account.pk])
    assert (row(contract).price, row(contract).price_source) == (Decimal("12.8"), "ibkr")


@pytest.mark.parametrize(
    "contract",
    [
        stock(),
        Contract(
            kind=InstrumentKind.FUTURE,
            symbol=f"ES {EXPIRY:%Y%m%d}",
            underlying="ES",
            root="ES",
            multiplier=Decimal(50),
            currency="USD",
            expiry=EXPIRY,
        ),
    ],
)
def test_share_and_future_are_priced_by_nobody_else(
    contract: Contract,
    account: Account,
    broker: FakeBroker,
    run_sync: Callable[[str], SyncRun],
    later: Later,
) -> None:
    hold(contract, broker, run_sync, account.pk)
    later(10)
    stream(contract, "606")
    refresh_streamed(account_ids=[account.pk])
    assert (row(contract).price, row(contract).price_source) == (Decimal(606), "ibkr")


def test_own_price_of_the_same_moment_is_kept(
    account: Account, broker: FakeBroker, run_sync: Callable[[str], SyncRun], later: Later
) -> None:
    contract = OPTIONS["share"]
    hold(contract, broker, run_sync, account.pk)
    later(2)
    stream(stock(), "606")
    refresh_streamed(account_ids=[account.pk])
    assert (row(contract).price, row(contract).price_source) == (Decimal(12), "ibkr")


def test_model_moves_on_from_the_newest_own_price(
    account: Account, broker: FakeBroker, run_sync: Callable[[str], SyncRun], later: Later
) -> None:
    contract = OPTIONS["share"]
    hold(contract, broker, run_sync, account.pk)
    later(10)
    stream(stock(), "606")
    refresh_streamed(account_ids=[account.pk])
    later(1)
    stream(contract, "13")
    refresh_streamed(account_ids=[account.pk])
    later(20)
    stream(stock(), "606")
    refresh_streamed(account_ids=[account.pk])
    found = row(contract)
    assert found.price_source == "model"
    assert found.price == pytest.approx(Decimal(13), abs=Decimal("0.02"))


def test_option_whose_volatility_of_then_is_unknown_keeps_its_own_price(
    account: Account, broker: FakeBroker, run_sync: Callable[[str], SyncRun], later: Later
) -> None:
    contract = OPTIONS["share"]
    broker.snapshot = lambda each: Snapshot(
        contract=each,
        quote=quote(each),
        greeks=greeks(each, as_of=market_now() - timedelta(minutes=5)) if each.is_option else None,
    )
    hold(contract, broker, run_sync, account.pk)
    later(10)
    stream(stock(), "606")
    refresh_streamed(account_ids=[account.pk])
    assert (row(contract).price, row(contract).price_source) == (Decimal(12), "ibkr")


def test_page_and_api_say_that_a_price_is_the_models(
    account: Account, broker: FakeBroker, run_sync: Callable[[str], SyncRun], later: Later
) -> None:
    contract = OPTIONS["share"]
    hold(contract, broker, run_sync, account.pk)
    later(10)
    stream(stock(), "606")
    refresh_streamed(account_ids=[account.pk])
    told = {each["symbol"]: each for each in book_of([Account.objects.get()]).positions}
    shown = told[contract.symbol]
    assert (shown["price_source"], shown["price_as_of"]) == ("model", market_now())
    assert _price_mark(shown["price_source"]) == "model"
    assert _price_mark(told[stock().symbol]["price_source"]) == ""
