"""Bad rows: sent == stored + flat + quarantined, and a damaged row removes no position."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from portfolio.domain import BrokerOrder, BrokerPosition
from portfolio.models import Account, Order, Position, QuarantinedRow, SyncRun
from tests.factories import AccountFactory
from tests.portfolio.books import (
    FakeBroker,
    option,
    order,
    position,
    rejected,
    stock,
)

pytestmark = pytest.mark.django_db
RunSync = Callable[[str], SyncRun]
HUGE = Decimal("1.797e308")


@pytest.fixture
def account() -> Account:
    return AccountFactory.create()


def quantities() -> dict[str, Decimal]:
    return dict(Position.objects.values_list("symbol", "quantity"))


@pytest.mark.parametrize(
    "bad",
    [
        position(stock("QQQ"), Decimal("NaN")),
        position(stock("QQQ"), Decimal("Infinity")),
        position(stock("QQQ"), HUGE),
        position(stock("QQQ", currency="")),
        position(stock("Q" * 100)),
        position(stock("QQ\x00Q")),
        position(stock("QQQ", multiplier=Decimal(0))),
        position(stock("QQQ"), sub_key="x" * 65),
        position(replace(option(), right=None)),
        position(option(strike=1, multiplier=Decimal("NaN"))),
    ],
)
def test_impossible_position_is_quarantined_and_the_cycle_goes_on(
    account: Account, broker: FakeBroker, run_sync: RunSync, bad: BrokerPosition
) -> None:
    broker.positions = [position(stock(), 5), bad]

    run = run_sync(account.pk)

    assert run.outcome == SyncRun.Outcome.SUCCEEDED
    assert run.counts["positions_received"] == 2
    assert run.counts["positions_stored"] == run.counts["positions_quarantined"] == 1
    assert quantities() == {"SPY": Decimal(5)}
    row = QuarantinedRow.objects.get()
    assert (row.kind, row.times_seen) == ("position", 1)
    assert row.reason


@pytest.mark.parametrize("field", ["price", "average_price", "market_value", "unrealized_pnl"])
def test_impossible_value_becomes_missing_and_is_noted(
    account: Account, broker: FakeBroker, run_sync: RunSync, field: str
) -> None:
    changes: dict[str, Any] = {field: Decimal("1e15")}
    broker.positions = [position(option(), 1, **changes)]

    run = run_sync(account.pk)

    assert run.outcome == SyncRun.Outcome.SUCCEEDED
    assert run.counts["values_set_aside"] == 1
    assert quantities()[option().symbol] == 1
    assert QuarantinedRow.objects.get().reason.startswith(field)


def test_same_bad_row_again_counts_up(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.bad_positions = [rejected(conid=99, mktPrice=1.0)]
    run_sync(account.pk)
    broker.bad_positions = [rejected(conid=99, mktPrice=2.0), rejected(conid=98)]
    run_sync(account.pk)

    assert sorted(QuarantinedRow.objects.values_list("times_seen", flat=True)) == [1, 2]


def test_payload_that_no_database_stores_is_stored_as_text(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = [position(stock(), 1, raw={"mktPrice": float("nan"), "name": "a\x00b"})]
    broker.bad_positions = [
        rejected(reason="x\x00" * 200, price=float("inf"), text="\ud800", huge="y" * 50_000)
    ]

    run = run_sync(account.pk)

    assert run.outcome == SyncRun.Outcome.SUCCEEDED
    assert Position.objects.get().raw_json == {"mktPrice": "nan", "name": "a\\u0000b"}
    assert "cut" in QuarantinedRow.objects.get().payload


def test_row_sent_twice_is_stored_once(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = [position(stock(), 5), position(stock(), 5)]

    run = run_sync(account.pk)

    assert quantities() == {"SPY": Decimal(5)}
    assert (run.counts["positions_stored"], run.counts["positions_quarantined"]) == (1, 1)


def test_contradicting_rows_leave_the_last_good_one(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = [position(stock(), 5), position(stock("QQQ"), 1)]
    run_sync(account.pk)
    broker.positions = [position(stock(), 6), position(stock(), 7), position(stock("QQQ"), 2)]

    run = run_sync(account.pk)

    assert quantities() == {"SPY": Decimal(5), "QQQ": Decimal(2)}
    assert run.counts["positions_quarantined"] == 2
    assert run.counts["kept_back"] == 1


def test_position_named_by_a_refused_row_stays_and_others_go(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = [position(stock(name), 1) for name in ("SPY", "QQQ", "IWM")]
    run_sync(account.pk)
    broker.positions = [position(stock("SPY"), 1)]
    broker.bad_positions = [rejected(reason="quantity: NaN is not a number", conid="stock-QQQ")]

    run_sync(account.pk)

    assert set(quantities()) == {"SPY", "QQQ"}


def test_refused_row_that_names_nothing_keeps_the_whole_book(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = [position(stock(name), 1) for name in ("SPY", "QQQ", "IWM")]
    run_sync(account.pk)
    broker.positions = [position(stock("SPY"), 1)]
    broker.bad_positions = [rejected(reason="conid: missing", conid=None)]

    run = run_sync(account.pk)

    assert set(quantities()) == {"SPY", "QQQ", "IWM"}
    assert run.counts["kept_back"] == 2


def test_refused_row_of_something_never_held_keeps_nothing_back(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = [position(stock(name), 1) for name in ("SPY", "QQQ")]
    run_sync(account.pk)
    broker.positions = [position(stock("SPY"), 1)]
    broker.bad_positions = [rejected(reason="assetClass: BOND is not supported", conid=4711)]

    run_sync(account.pk)

    assert set(quantities()) == {"SPY"}


def test_position_of_quantity_nought_is_closed(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = [position(stock("SPY"), 1), position(stock("QQQ"), 1)]
    run_sync(account.pk)
    broker.positions = [position(stock("SPY"), 1), position(stock("QQQ"), 0)]

    run = run_sync(account.pk)

    assert set(quantities()) == {"SPY"}
    assert run.counts["positions_flat"] == 1


def test_impossible_order_is_quarantined_and_its_last_row_stays(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = [position(stock())]
    broker.orders = [order("1"), order("2"), order("3")]
    run_sync(account.pk)
    broker.orders = [order("1"), order("x" * 65)]
    broker.bad_orders = [rejected(kind="order", reason="price: NaN", orderId=2)]

    run = run_sync(account.pk)

    # One of the refused rows does not say which order it is: nothing is removed this time.
    assert set(Order.objects.values_list("broker_order_id", flat=True)) == {"1", "2", "3"}
    assert run.counts["orders_quarantined"] == 2
    broker.orders = [order("1")]
    run_sync(account.pk)
    assert set(Order.objects.values_list("broker_order_id", flat=True)) == {"1", "2"}


def test_closed_position_sent_twice_is_closed(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = [position(stock("SPY"), 1), position(stock("QQQ"), 1)]
    run_sync(account.pk)
    broker.positions = [position(stock("SPY"), 1), *[position(stock("QQQ"), 0)] * 2]
    broker.bad_positions = [rejected(reason="conid: missing")]

    run_sync(account.pk)

    assert set(quantities()) == {"SPY"}


@pytest.mark.parametrize(
    "bad",
    [
        order("2", order_type="x" * 25),
        order("2", time_in_force="a\x00"),
        order("2", option(600, currency="")),
    ],
)
def test_order_that_fits_no_column_is_quarantined(
    account: Account, broker: FakeBroker, run_sync: RunSync, bad: BrokerOrder
) -> None:
    broker.positions = [position(stock())]
    broker.orders = [order("1"), bad, order("1")]

    run = run_sync(account.pk)

    assert run.outcome == SyncRun.Outcome.SUCCEEDED
    assert list(Order.objects.values_list("broker_order_id", flat=True)) == ["1"]
    assert run.counts["orders_received"] == 3
    assert run.counts["orders_quarantined"] == 2
    assert set(QuarantinedRow.objects.values_list("kind", flat=True)) == {"order"}


def test_kind_of_which_nothing_was_stored_makes_the_run_partial(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = [position(stock(), raw={"instrument-type": "Equity"})]
    broker.bad_positions = [
        rejected(reason="expiry: missing", **{"instrument-type": "Future", "symbol": name})
        for name in ("/ESZ6", "/NQZ6")
    ] + [rejected(reason="quantity: NaN", **{"instrument-type": "Equity", "symbol": "QQQ"})]

    run = run_sync(account.pk)

    assert run.outcome == SyncRun.Outcome.PARTIAL
    assert run.error_code == "kind_not_stored"
    assert run.error == "Future: none of 2 stored (expiry: missing)"
    account.refresh_from_db()
    assert account.last_error == run.error
    assert set(quantities()) == {"SPY"}


def test_orders_of_which_none_was_stored_make_the_run_partial(
    account: Account, broker: FakeBroker, run_sync: RunSync
) -> None:
    broker.positions = [position(stock())]
    broker.bad_orders = [rejected(kind="order", reason="status: odd", orderId=2)]

    run = run_sync(account.pk)

    assert run.outcome == SyncRun.Outcome.PARTIAL
    assert run.error == "Orders: none of 1 stored (status: odd)"
