"""Whole syncs over the wire: what the simulated books hold is what the desk stores."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pytest_django.fixtures import Settings

from config.core.sandbox.server import Sandbox
from greeks.models import InstrumentAlias
from portfolio.models import (
    Account,
    AccountStatus,
    Order,
    Position,
    QuarantinedRow,
    Quote,
    SyncRun,
)
from tests.faults.conftest import RunSync

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.mark.parametrize("name", ["ibkr", "tastytrade"])
def test_book_of_the_broker_is_stored_whole(
    name: str, desk: Sandbox, run_sync: RunSync, request: pytest.FixtureRequest
) -> None:
    account: Account = request.getfixturevalue(name)
    simulated = desk.books.account(account.account_number)

    run = run_sync(account)

    assert (run.outcome, run.error) == (SyncRun.Outcome.SUCCEEDED, "")
    assert QuarantinedRow.objects.count() == 0
    names = dict(
        InstrumentAlias.objects.filter(provider=name).values_list("instrument__key", "key")
    )
    stored = {
        names[row.instrument.key]: row for row in Position.objects.select_related("instrument")
    }
    held = {row.contract.aliases[name]: row for row in simulated.positions()}
    assert stored.keys() == held.keys()
    for symbol, row in stored.items():
        assert row.quantity == held[symbol].quantity
        assert row.multiplier == held[symbol].contract.multiplier
        assert None not in (row.avg_price, row.price, row.market_value, row.unrealized_pnl)
        assert row.daily_change is not None
        assert row.price_source == account.broker.lower() or row.price_source == "tastytrade"
    options = [row for row in stored.values() if row.right]
    assert options
    assert all(
        row.greeks_source in ("ibkr", "tastytrade") or row.instrument.is_adjusted for row in options
    )
    assert all(
        None not in (row.gamma_raw, row.theta_raw, row.vega_raw, row.iv_raw) for row in options
    )
    assert all(row.underlying_price for row in options)
    status = AccountStatus.objects.get()
    summary = simulated.summary()
    assert status.net_liquidation is not None
    assert float(status.net_liquidation) == pytest.approx(summary.net_liquidation, rel=1e-3)
    assert None not in (status.cash, status.buying_power, status.maint_margin)
    assert status.unrealized_pnl is not None
    assert status.unrealized_pnl_source in ("ibkr", "positions")
    assert set(Order.objects.values_list("broker_order_id", flat=True))
    assert Quote.objects.filter(symbol__in=[row.underlying for row in options]).exists()


def test_second_sync_keeps_every_id_and_moves_the_numbers(
    desk: Sandbox, ibkr: Account, run_sync: RunSync
) -> None:
    run_sync(ibkr)
    before = {row.symbol: (row.pk, row.price) for row in Position.objects.all()}
    desk.market.step(600)

    run_sync(ibkr)

    after = {row.symbol: (row.pk, row.price) for row in Position.objects.all()}
    # At some hours the account rolls a spread in these ten minutes.
    kept = before.keys() & after.keys()
    assert len(kept) > len(before) / 2
    assert {name: after[name][0] for name in kept} == {name: before[name][0] for name in kept}
    assert any(after[name] != before[name] for name in kept)


def test_gateway_that_answers_500_for_positions_leaves_the_last_book(
    desk: Sandbox, ibkr: Account, run_sync: RunSync
) -> None:
    run_sync(ibkr)
    before = list(Position.objects.order_by("pk").values())
    desk.faults.add(server="ibkr_portal", path="positions", status=503, times=None)

    run = run_sync(ibkr)

    assert run.outcome == SyncRun.Outcome.FAILED
    assert run.error.startswith("Positions:")
    assert list(Position.objects.order_by("pk").values()) == before


def test_page_instead_of_json_leaves_the_last_book(
    desk: Sandbox, ibkr: Account, run_sync: RunSync
) -> None:
    run_sync(ibkr)
    count = Position.objects.count()
    desk.faults.add(
        server="ibkr_portal",
        method="GET",
        path="positions",
        status=200,
        headers={"content-type": "text/html"},
        body="<html>Please log in</html>",
        times=None,
    )

    run = run_sync(ibkr)

    assert (run.outcome, run.error_code) == (SyncRun.Outcome.FAILED, "provider_malformed")
    assert Position.objects.count() == count


def test_empty_positions_out_of_nowhere_are_unconfirmed(
    desk: Sandbox, ibkr: Account, run_sync: RunSync
) -> None:
    run_sync(ibkr)
    count = Position.objects.count()
    desk.faults.add(
        server="ibkr_portal", method="GET", path="/positions/0", status=200, body=[], times=None
    )

    assert [run_sync(ibkr).outcome for _ in range(3)] == [SyncRun.Outcome.UNCONFIRMED] * 3
    assert Position.objects.count() == count
    desk.faults.clear()
    assert run_sync(ibkr).outcome == SyncRun.Outcome.SUCCEEDED
    ibkr.refresh_from_db()
    assert ibkr.empty_book_since is None


@pytest.mark.parametrize("value", ["NaN", None, 1.7976931348623157e308, "many", 1e15])
def test_damaged_quantity_is_quarantined_and_the_position_stays(
    desk: Sandbox, ibkr: Account, run_sync: RunSync, value: object
) -> None:
    run_sync(ibkr)
    before = dict(Position.objects.values_list("symbol", "quantity"))
    desk.faults.add(
        server="ibkr_portal", method="GET", path="/positions/0", replace={"/0/position": value}
    )

    run = run_sync(ibkr)

    assert run.outcome == SyncRun.Outcome.SUCCEEDED
    counts = run.counts
    assert counts["positions_received"] == len(before)
    assert counts["positions_quarantined"] == 1
    assert dict(Position.objects.values_list("symbol", "quantity")) == before


def test_broker_without_greeks_is_filled_by_the_other(
    desk: Sandbox, ibkr: Account, run_sync: RunSync
) -> None:
    desk.faults.add(
        server="ibkr_portal",
        path="marketdata/snapshot",
        replace={f"/*/{name}": "" for name in ("7308", "7309", "7310", "7311")},
        times=None,
    )

    run = run_sync(ibkr)

    assert run.outcome == SyncRun.Outcome.SUCCEEDED
    held = Position.objects.filter(currency="USD", instrument__kind="option")
    assert set(held.values_list("greeks_source", flat=True)) == {"tastytrade"}


def test_no_vendor_with_greeks_leaves_them_to_the_model(
    desk: Sandbox, ibkr: Account, run_sync: RunSync, settings: Settings
) -> None:
    # Greeks are asked for until then; a busy machine needs as long for the prices.
    settings.IBKR_PORTAL_SNAPSHOT_SECONDS = 5.0
    desk.faults.add(
        server="ibkr_portal",
        path="marketdata/snapshot",
        replace={f"/*/{name}": "" for name in ("7308", "7309", "7310", "7311")},
        times=None,
    )
    desk.faults.add(server="tastytrade", path="market-data", status=403, times=None)

    run = run_sync(ibkr)

    assert run.outcome == SyncRun.Outcome.SUCCEEDED
    options = Position.objects.exclude(right="")
    # What cannot be computed either (an option in its last hours) keeps the vendor's volatility.
    with_greeks = options.filter(delta_raw__isnull=False)
    assert set(with_greeks.values_list("greeks_source", flat=True)) == {"model"}
    computed = options.filter(greeks_source="model")
    assert computed.count() >= 0.8 * options.count()
    for row in computed:
        assert row.delta_raw is not None
        assert abs(row.delta_raw) <= 1


def test_one_brokers_outage_stops_no_other_account(
    desk: Sandbox, ibkr: Account, tastytrade: Account, run_sync: RunSync
) -> None:
    desk.faults.add(server="ibkr_portal", disconnect=True, times=None)

    assert run_sync(ibkr).outcome == SyncRun.Outcome.FAILED
    assert run_sync(tastytrade).outcome == SyncRun.Outcome.SUCCEEDED


def test_failed_orders_are_a_partial_success(
    desk: Sandbox, tastytrade: Account, run_sync: RunSync
) -> None:
    desk.faults.add(server="tastytrade", path="orders/live", status=404, times=None)

    run = run_sync(tastytrade)

    assert run.outcome == SyncRun.Outcome.PARTIAL
    assert run.counts["failed_steps"] == ["orders"]
    assert Position.objects.exists()
    assert AccountStatus.objects.get().cash != Decimal(0)
