"""Options past their instant: closed provisionally, replaced by the broker's rows, or final."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from greeks.models import ContractGreekHistory, Instrument
from portfolio.domain import ExecutionKind
from portfolio.models import Account, Position
from tests.factories import PositionFactory
from tests.trades.expiry.rows import EXPIRY, PUT, STOCK, ended, fill, record
from tests.trades.files import account_at
from trades.expiry.closing import close_expired
from trades.journal.reconciling import reconcile_positions
from trades.lots.store import rebuild_lots
from trades.models import ProvisionalClose, Trade, TradeLeg, TradeLot
from trades.strategies.results import outcome_of, totals_of
from trades.strategies.store import rebuild_account_trades
from trades.tasks import close_expired_task

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def see(spot: str | None, *, minutes_before: int = 1, symbol: str = PUT.symbol) -> None:
    """Write the last minute that the desk saw of the option."""
    at = EXPIRY - timedelta(minutes=minutes_before)
    ContractGreekHistory.objects.create(
        instrument=Instrument.objects.get(symbol=symbol),
        minute=at,
        as_of=at,
        source="ibkr",
        underlying_price=None if spot is None else Decimal(spot),
    )


def run(after: timedelta = HOUR) -> int:
    with time_machine.travel(EXPIRY + after, tick=False):
        return close_expired()


@pytest.fixture
def account() -> Account:
    """Synced half an hour after the expiry, and short two puts by the journal alone."""
    found = account_at("IBKR", "U1")
    found.last_synced_at = EXPIRY + HOUR / 2
    found.save()
    record(fill(1, -2))
    return found


def stored(account: Account) -> list[Any]:
    """Return lots, trades and legs without ids that run on."""
    rows: list[Any] = [*Trade.objects.filter(account=account).order_by("pk").values()]
    for model, owner in ((TradeLot, "account"), (TradeLeg, "trade__account")):
        found = model._default_manager.filter(**{owner: account}).values()
        rows += sorted(str({k: v for k, v in row.items() if k != "id"}) for row in found)
    return rows


def test_rule_15_worthless_option_ends_provisionally(account: Account) -> None:
    see("95")
    assert run() == 1
    trade, lot = Trade.objects.get(), TradeLot.objects.get()
    assert (trade.status, trade.closed_at, trade.open_name) == ("awaiting", EXPIRY, "")
    assert (lot.closed_kind, lot.close_price, lot.awaiting) == ("expiration", 0, True)
    assert (lot.gross, lot.net) == (300, Decimal("298.7"))
    close = ProvisionalClose.objects.get()
    assert (close.spot, close.spot_source) == (95, "ibkr")
    assert close.spot_as_of == EXPIRY - timedelta(minutes=1)


def test_rule_15_provisional_profit_is_no_result_yet(account: Account) -> None:
    see("95")
    run()
    trade = Trade.objects.get()
    assert (trade.gross, trade.net, outcome_of(trade)) == (None, None, "")
    (totals,) = totals_of(Trade.objects.all())
    assert (totals.trades, totals.open, totals.wins, totals.net) == (1, 0, 0, None)


@pytest.mark.parametrize(("spot", "minutes_before"), [("85", 1), ("90", 1), (None, 1), ("95", 30)])
def test_rule_15_in_the_money_or_unknown_is_never_zero(
    account: Account, spot: str | None, minutes_before: int
) -> None:
    see(spot, minutes_before=minutes_before)
    run()
    lot, trade = TradeLot.objects.get(), Trade.objects.get()
    assert (lot.closed_at, lot.close_price, lot.gross, lot.net) == (EXPIRY, None, None, None)
    assert (trade.status, trade.net) == ("awaiting", None)
    run(timedelta(days=30))
    assert Trade.objects.get().status == "awaiting"


def test_rule_15_option_settled_from_opening_prices_waits() -> None:
    account = account_at("IBKR", "U1")
    index = replace(PUT, symbol="SPX   260116P00090000", underlying="SPX", root="SPX")
    record(fill(1, -1, contract=index))
    opening = Instrument.objects.get().expires_at
    assert opening is not None
    assert opening < EXPIRY
    see("95", minutes_before=390, symbol=index.symbol)
    account.last_synced_at = opening + HOUR
    account.save()
    assert run(-HOUR) == 1
    assert ProvisionalClose.objects.get().price is None


def test_rule_15_never_while_the_broker_shows_it(account: Account) -> None:
    see("95")
    option = Instrument.objects.get()
    PositionFactory.create(account=account, instrument=option, quantity=Decimal(-2))
    assert (run(), Trade.objects.get().status) == (0, "open")
    Position.objects.all().delete()
    assert (run(), Trade.objects.get().status) == (1, "awaiting")
    PositionFactory.create(account=account, instrument=option, quantity=Decimal(-2))
    assert (run(), Trade.objects.get().status) == (1, "open")
    assert not ProvisionalClose.objects.exists()


def test_rule_15_never_before_a_sync_since_the_instant(account: Account) -> None:
    see("95")
    assert run(-HOUR) == 0
    for synced_at in (None, EXPIRY):
        Account.objects.update(last_synced_at=synced_at)
        assert run() == 0


ROWS = {
    "expiration": [ended(2, 2, ExecutionKind.EXPIRATION)],
    "a part": [ended(2, 1, ExecutionKind.EXPIRATION), ended(3, 1, ExecutionKind.EXPIRATION)],
    "assignment": [
        ended(2, 2, ExecutionKind.ASSIGNMENT),
        ended(3, 200, ExecutionKind.DELIVERY, contract=STOCK, price=Decimal(90),
              position_effect="OPEN"),
    ],
    "cash settlement": [ended(2, 2, ExecutionKind.CASH_SETTLEMENT, price=Decimal(5))],
    "booked on Monday": [
        ended(2, 2, ExecutionKind.EXPIRATION, execution_time=EXPIRY + timedelta(days=3))
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("spot", ["85", "95"])
def test_rule_15_broker_row_replaces_it_in_any_order(
    account: Account, name: str, spot: str
) -> None:
    see(spot)
    rows = ROWS[name]
    run()
    for row in rows[::-1]:
        record(row)
        run()
    assert not TradeLot.objects.filter(awaiting=True).exists()
    assert not ProvisionalClose.objects.exists()
    option = Trade.objects.get(legs__instrument__symbol=PUT.symbol)
    leg = option.legs.get(instrument__symbol=PUT.symbol)
    assert leg.closed_kind == rows[0].kind.value
    assert leg.gross == (-700 if name == "cash settlement" else 300)
    before = stored(account)
    rebuild_lots(account)
    rebuild_account_trades(account)
    assert stored(account) == before


def test_rule_15_row_for_a_part_leaves_the_rest_waiting(account: Account) -> None:
    see("95")
    record(ended(2, 1, ExecutionKind.EXPIRATION))
    run()
    lots = TradeLot.objects.order_by("awaiting").values_list("quantity", "awaiting")
    assert list(lots) == [(Decimal(-1), False), (Decimal(-1), True)]
    assert Trade.objects.get().net == Decimal("149.35")


def test_rule_15_final_by_itself_after_four_days(account: Account) -> None:
    see("95")
    run()
    assert run(timedelta(days=4) - HOUR) == 0
    assert run(timedelta(days=4)) == 1
    trade = Trade.objects.get()
    assert (trade.status, trade.net, outcome_of(trade)) == ("closed", Decimal("298.7"), "won")
    assert run(timedelta(days=5)) == 0
    record(ended(2, 2, ExecutionKind.CASH_SETTLEMENT, price=Decimal(5)))
    assert Trade.objects.get().gross == -700


def test_rule_15_rebuild_and_late_fills_keep_it(account: Account) -> None:
    see("95")
    run()
    before = stored(account)
    rebuild_lots(account)
    rebuild_account_trades(account)
    assert stored(account) == before
    record(fill(4, -1))
    assert TradeLot.objects.filter(awaiting=True).count() == 2
    assert run() == 0


def test_rule_15_same_queries_whatever_is_due(account: Account) -> None:
    rows = []
    for number in range(2, 12):
        strike = 90 + number
        contract = replace(PUT, symbol=f"XYZ   260116P{strike * 1000:08d}", strike=Decimal(strike))
        rows.append(fill(number, -1, contract=contract))
    run()
    ProvisionalClose.objects.all().delete()
    with CaptureQueriesContext(
        connection,
    ) as one:
        assert run() == 1
    record(*rows)
    ProvisionalClose.objects.all().delete()
    with CaptureQueriesContext(connection) as many:
        assert run() == 11
    assert len(many) == len(one)
    with time_machine.travel(EXPIRY + HOUR, tick=False):
        close_expired_task()
    assert ProvisionalClose.objects.count() == 11


def test_rule_15_pages_and_api_say_so(account: Account, client: Client) -> None:
    see("95")
    run()
    client.force_login(account.owner)
    key = Trade.objects.get().key
    for path in ("/trades", f"/trades/{key}", "/trades/reconcile", "/trades/contracts"):
        assert "awaiting statement" in client.get(path).content.decode().lower()
    (item,) = client.get("/api/trades?status=awaiting").json()["trades"]
    assert (item["status"], item["net"]) == ("awaiting", None)
    (leg,) = client.get(f"/api/trades/{key}").json()["legs"]
    assert (leg["awaiting"], leg["net"]) == (True, 298.7)
    found = reconcile_positions([account])
    assert not found.differences
    (waiting,) = found.awaiting
    assert (waiting.quantity, waiting.net) == (Decimal(-2), Decimal("298.7"))
    assert waiting.ended_at == EXPIRY
