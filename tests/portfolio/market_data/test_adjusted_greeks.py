"""An adjusted option has the model's Greeks per share it delivers, never a vendor's."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from greeks.domain import Contract, Deliverable
from portfolio.book.reading import read_book
from portfolio.models import Account, AccountHistory, Position, SyncRun
from tests.factories import AccountFactory
from tests.portfolio.books import FakeBroker, option, position

pytestmark = pytest.mark.django_db
RunSync = Callable[[str], SyncRun]


def synced(contract: Contract, broker: FakeBroker, run_sync: RunSync) -> Account:
    account: Account = AccountFactory.create()
    broker.positions = [position(contract, 3)]
    run_sync(account.pk)
    return account


def adjusted(shares: int | None) -> Contract:
    """Return a call on SPY at 600, struck so that the shares delivered are near the money."""
    deliverable = None if shares is None else Deliverable(shares=Decimal(shares))
    return option(120, root="SPY1", symbol="SPY1  270115C00120000", deliverable=deliverable)


def test_known_deliverable_and_the_model_computes(broker: FakeBroker, run_sync: RunSync) -> None:
    account = synced(adjusted(20), broker, run_sync)

    row = Position.objects.get()
    assert (row.greeks_source, row.market_value) == ("model", 12 * 3 * 100)
    assert row.delta_raw is not None
    book = read_book([account])
    assert book.totals["dollar_delta"] == pytest.approx(row.delta_raw * 3 * 20 * 600)
    [shown] = book.positions
    assert (shown["deliverable"], shown["deliverable_cash"]) == (20, 0)
    minute = AccountHistory.objects.get()
    assert minute.dollar_delta == pytest.approx(book.totals["dollar_delta"])


def test_unknown_deliverable_and_there_are_no_greeks(broker: FakeBroker, run_sync: RunSync) -> None:
    account = synced(adjusted(None), broker, run_sync)

    book = read_book([account])
    [shown] = book.positions
    assert (shown["delta"], shown["deliverable"]) == (None, None)
    assert shown["market_value"] == 3600
    assert book.totals["legs_without_greeks"] == 1
    assert AccountHistory.objects.get().positions_without_greeks == 1
