from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from greeks.models import ContractGreekHistory, ContractGreeks, Instrument
from portfolio.models import (
    Account,
    AccountDay,
    AccountHistory,
    AccountStatus,
    Order,
    Position,
    PriceBar,
    Quote,
    SyncRun,
)
from tests.factories import AccountFactory
from tests.portfolio.books import FakeBroker, option, order, position, stock

pytestmark = pytest.mark.django_db
RunSync = Callable[[str], SyncRun]


@pytest.fixture
def account() -> Account:
    return AccountFactory.create()


def test_whole_book_and_everything_is_stored(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    call = option(600)
    broker.positions = [position(stock(), 50), position(call, -2)]
    broker.orders = [order("77", call)]

    run = run_sync(account.pk)

    assert (run.outcome, run.error, run.progress) == (SyncRun.Outcome.SUCCEEDED, "", 100)
    rows = {row.symbol: row for row in Position.objects.all()}
    leg = rows[call.symbol]
    assert (leg.quantity, leg.multiplier, leg.price) == (Decimal(-2), Decimal(100), Decimal(12))
    assert leg.market_value == Decimal(-2400)
    assert leg.unrealized_pnl == Decimal(-400)
    assert leg.daily_change == Decimal(-200)
    assert (leg.delta_raw, leg.greeks_source, leg.greeks_last_known) == (0.5, "ibkr", False)
    assert leg.delta == Decimal("0.5")
    assert rows["SPY"].market_value == Decimal(30000)
    assert rows["SPY"].delta_raw == 1.0
    status = AccountStatus.objects.get(account=account)
    assert status.net_liquidation == Decimal(100_000)
    assert status.unrealized_pnl_source == "ibkr"
    assert Order.objects.get().limit_price == Decimal("12.5")
    assert Quote.objects.count() == 2
    assert ContractGreeks.objects.get().delta_raw == 0.5
    assert ContractGreekHistory.objects.count() == 1
    assert PriceBar.objects.count() == 2
    minute = AccountHistory.objects.get()
    assert minute.dollar_delta == pytest.approx((50 - 2 * 0.5 * 100) * 600)
    assert minute.positions == 2
    assert AccountDay.objects.get().opening_net_liquidation == Decimal(100_000)
    account.refresh_from_db()
    assert account.book_version == 1
    assert account.last_synced_at is not None
    assert account.last_error_code == ""
    assert Instrument.objects.count() == 2
