"""Money: currencies stay apart or are converted, and each number says where it is from."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from greeks.domain import Snapshot
from portfolio.domain import Broker
from portfolio.models import (
    Account,
    AccountDay,
    AccountHistory,
    AccountStatus,
    FxRate,
    PriceBar,
    SyncRun,
)
from tests.factories import AccountFactory
from tests.portfolio.books import FakeBroker, position, quote, stock

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
RunSync = Callable[[str], SyncRun]
SAP = stock("SAP", currency="EUR")


@pytest.fixture
def account(broker: FakeBroker) -> Account:
    return AccountFactory.create()


def test_unrealized_profit_that_the_broker_lacks_is_the_sum_over_the_positions(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.summary = {"unrealized_pnl": None}
    broker.positions = [
        position(stock(), 10, average_price=Decimal(590)),
        position(stock("QQQ"), -1, average_price=Decimal(610)),
    ]

    run_sync(account.pk)

    status = AccountStatus.objects.get()
    assert status.unrealized_pnl == Decimal(110)
    assert status.unrealized_pnl_source == "positions"


def test_part_of_an_unrealized_profit_is_no_profit(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.summary = {"unrealized_pnl": None}
    broker.positions = [position(stock(), 10), position(stock("QQQ"), 1, average_price=None)]

    run_sync(account.pk)

    assert AccountStatus.objects.get().unrealized_pnl is None
    assert AccountStatus.objects.get().unrealized_pnl_source == ""


def test_other_currency_is_converted_by_the_brokers_rate(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.summary = {"unrealized_pnl": None, "fx_rates": {"EUR": Decimal("1.10")}}
    broker.positions = [position(SAP, 10, average_price=Decimal(590))]

    run_sync(account.pk)

    rate = FxRate.objects.get()
    assert (rate.base, rate.quote, rate.rate) == ("USD", "EUR", Decimal("1.10"))
    assert AccountStatus.objects.get().unrealized_pnl == Decimal(110)
    assert AccountHistory.objects.get().dollar_delta == pytest.approx(10 * 600 * 1.10)


def test_other_currency_without_rate_is_never_added_raw(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.summary = {"unrealized_pnl": None}
    broker.positions = [position(SAP, 10), position(stock(), 1)]

    run_sync(account.pk)

    assert AccountStatus.objects.get().unrealized_pnl is None
    assert AccountHistory.objects.get().dollar_delta == pytest.approx(600)


def test_stored_rate_serves_a_broker_that_sends_none(
    account: Account, broker: FakeBroker, brokers: dict[Broker, FakeBroker], run_sync: RunSync
) -> None:
    broker.summary = {"fx_rates": {"EUR": Decimal("1.10")}}
    broker.positions = [position(stock())]
    run_sync(account.pk)
    other: Account = AccountFactory.create(broker=Broker.TASTY.value)
    brokers[Broker.TASTY].positions = [position(SAP, 10)]

    run_sync(other.pk)

    minute = AccountHistory.objects.get(account=other)
    assert minute.dollar_delta == pytest.approx(10 * 600 * 1.10)


def test_impossible_money_becomes_missing(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = [position(stock())]
    broker.summary = {
        "net_liquidation": Decimal("1.797e308"),
        "buying_power": Decimal("1e12"),
        "fx_rates": {"EUR": Decimal(0), "GBP": Decimal("1e20"), "X" * 9: Decimal(1)},
    }

    run = run_sync(account.pk)

    assert run.outcome == SyncRun.Outcome.SUCCEEDED
    status = AccountStatus.objects.get()
    assert (status.net_liquidation, status.buying_power) == (None, None)
    assert status.cash == Decimal(40_000)
    assert FxRate.objects.count() == 0


def test_minute_holds_its_last_values_and_the_day_its_first_opening(
    account: Account, broker: FakeBroker, run_sync: RunSync, settings: object
) -> None:
    settings.MARKET_CLOCK = "2026-11-20T15:00:10+00:00"  # type: ignore[attr-defined]
    broker.positions = [position(stock(), 1)]
    run_sync(account.pk)
    settings.MARKET_CLOCK = "2026-11-20T15:00:40+00:00"  # type: ignore[attr-defined]
    broker.summary = {"net_liquidation": Decimal(101_000)}
    run_sync(account.pk)

    assert AccountHistory.objects.get().net_liquidation == Decimal(101_000)
    settings.MARKET_CLOCK = "2026-11-20T15:01:00+00:00"  # type: ignore[attr-defined]
    run_sync(account.pk)
    assert AccountHistory.objects.count() == 2
    day = AccountDay.objects.get()
    assert day.opening_net_liquidation == Decimal(100_000)
    assert day.net_liquidation == Decimal(101_000)
    # A day is the account's own: New York's evening is UTC's next morning.
    settings.MARKET_CLOCK = "2026-11-21T03:00:00+00:00"  # type: ignore[attr-defined]
    run_sync(account.pk)
    assert AccountDay.objects.count() == 1


def test_bar_of_a_minute_opens_with_its_first_price_and_keeps_the_extremes(
    account: Account, broker: FakeBroker, run_sync: RunSync, settings: object
) -> None:
    broker.positions = [position(stock(), 1)]
    for second, price in enumerate((600, 605, 595, 601)):
        settings.MARKET_CLOCK = f"2026-11-20T15:00:{second:02d}+00:00"  # type: ignore[attr-defined]
        broker.snapshot = lambda contract, price=price: Snapshot(
            contract=contract, quote=quote(contract, mark=Decimal(price)), greeks=None
        )
        run_sync(account.pk)

    bar = PriceBar.objects.get()
    assert (bar.open, bar.high, bar.low, bar.close) == (600, 605, 595, 601)
    assert bar.samples == 4
