"""A day's change keeps what was traded today: each case reckoned by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import LazySettings

from greeks.domain import Contract, InstrumentKind, Right
from greeks.instruments.store import resolve_instruments
from portfolio.book.reading import read_book
from portfolio.domain import ExecutionKind, Side
from portfolio.models import Account, FxRate, Portfolio, Quote
from portfolio.updates.calculation import recalculate
from tests.factories import AccountFactory, PositionFactory
from tests.portfolio.book.test_day_fills import traded
from tests.portfolio.books import option, stock

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
NOON = datetime(2026, 11, 20, 17, tzinfo=UTC)
EXPIRY = date(2026, 12, 18)
CALL = option(600, expiry=EXPIRY)
SHARE = stock()
BUND = stock("SAP", currency="EUR")
FUTURE = Contract(
    kind=InstrumentKind.FUTURE,
    symbol="ES 20261218",
    underlying="/ES",
    root="ES",
    multiplier=Decimal(50),
    currency="USD",
    expiry=EXPIRY,
)
ON_FUTURE = option(
    6000, Right.PUT, underlying="/ES", kind=InstrumentKind.FUTURE_OPTION, root="ES",
    multiplier=Decimal(50), expiry=EXPIRY,
)  # fmt: skip
BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture(autouse=True)
def noon(settings: LazySettings) -> None:
    """A Friday in session, so that an hour ago is today."""
    settings.MARKET_CLOCK = NOON.isoformat()


@pytest.fixture
def account() -> Account:
    found: Account = AccountFactory.create(last_synced_at=NOON)
    return found


def quoted(contract: Contract, opening: str | None, **changes: Any) -> None:
    row = resolve_instruments([contract]).popitem()[1]
    values = {"symbol": contract.symbol, "source": "ibkr", "as_of": NOON, "opening_price": opening}
    Quote.objects.create(instrument=row, **(values | changes))


def figures(account: Account) -> Portfolio:
    portfolio = Portfolio.objects.get(owner=account.owner)
    recalculate([portfolio.pk])
    portfolio.refresh_from_db()
    return portfolio


@pytest.mark.parametrize(
    ("contract", "opening", "fills", "change", "percent"),
    [
        # 2 held: (14 - 11) x 2 x 100 of 11 x 2 x 100.
        pytest.param(CALL, "11", [(SELL, 2, "14")], 600, "27.2727", id="long, sold"),
        # -2 held: (11 - 9) x 2 x 100.
        pytest.param(CALL, "11", [(BUY, 2, "9")], 400, "18.1818", id="short, bought back"),
        pytest.param(CALL, "11", [(BUY, 2, "12")], -200, "-9.0909", id="short, at a loss"),
        # Nothing was held at the open: of what was paid, or received.
        pytest.param(
            CALL, None, [(BUY, 3, "10"), (SELL, 3, "12.5")], 750, "25", id="bought and sold"
        ),
        pytest.param(
            CALL, None, [(SELL, 3, "12.5"), (BUY, 3, "13")], -150, "-4", id="sold and bought"
        ),
        # The same money four times is no more at work: (11 - 10) x 2 of 10 x 2 x 100.
        pytest.param(
            CALL,
            None,
            [(BUY, 1, "10"), (SELL, 1, "11"), (BUY, 2, "10"), (SELL, 2, "10.5")],
            200,
            "10",
            id="bought and sold again",
        ),
        # 2 held, 5 sold at 13, 3 bought at 12: (13 - 11) x 2 + (13 - 12) x 3, of 13 x 3.
        pytest.param(
            CALL, "11", [(SELL, 5, "13"), (BUY, 3, "12")], 700, "17.9487", id="through zero"
        ),
        # In two steps: (14 - 11) + (10 - 11).
        pytest.param(
            CALL, "11", [(SELL, 1, "14"), (SELL, 1, "10")], 200, "9.0909", id="in two steps"
        ),
        pytest.param(SHARE, "599", [(SELL, 100, "605")], 600, "1.0017", id="shares"),
        pytest.param(FUTURE, "6000", [(SELL, 2, "5990")], -1_000, "-0.1667", id="future"),
        pytest.param(ON_FUTURE, "40", [(BUY, 1, "25")], 750, "37.5", id="option on a future"),
    ],
)
def test_what_was_closed_today_counts_to_its_fill(
    account: Account,
    contract: Contract,
    opening: str | None,
    fills: list[tuple[Side, int, str]],
    change: int,
    percent: str,
) -> None:
    quoted(contract, opening)
    for number, (side, quantity, price) in enumerate(fills):
        traded(account, contract, side, quantity, price, hours_ago=1 - number / 10)
    found = figures(account)
    assert (found.value, found.daily_change) == (0, change)
    assert found.daily_change_percent == (Decimal(percent))
    assert (found.legs, found.legs_without_change) == (0, 0)


def test_closed_legs_join_the_held_ones_each_in_its_currency(account: Account) -> None:
    FxRate.objects.create(
        base="USD", quote="EUR", rate=Decimal("1.1"), source="ibkr", as_of=NOON.isoformat()
    )
    PositionFactory.create(account=account, market_value=-1_100, daily_change=-100, currency="USD")
    for contract, opening in ((CALL, "11"), (BUND, "200")):
        quoted(contract, opening)
    traded(account, CALL, SELL, 2, "14")
    traded(account, BUND, SELL, 10, "210")
    found = figures(account)
    assert found.value == -1_100
    assert found.daily_change == -100 + 600 + 100 * Decimal("1.1")
    # The risk monitor shows what is held alone, and says so.
    held = read_book(list(Account.objects.select_related("status"))).totals
    assert held["daily_change"] == -100
    # |-1,000| + 2,200 + 2,000 euros.
    assert found.daily_change_percent == Decimal("11.2963")
    assert {row["currency"]: row["daily_change"] for row in found.by_currency} == {
        "USD": 500,
        "EUR": 100,
    }


def test_leg_without_a_price_of_the_open_is_counted_and_left_out(account: Account) -> None:
    # Yesterday's open says nothing of today.
    quoted(CALL, "11", as_of=NOON - timedelta(days=1))
    traded(account, CALL, SELL, 2, "14")
    found = figures(account)
    assert (found.daily_change, found.legs, found.legs_without_change) == (None, 1, 1)


def test_last_close_stands_in_for_the_open(account: Account) -> None:
    quoted(CALL, None, previous_close="10")
    traded(account, CALL, SELL, 2, "14")
    assert figures(account).daily_change == 800


@pytest.mark.parametrize(
    ("contract", "close", "price", "change"),
    [
        pytest.param(SHARE, "600", "152", None, id="four shares for one"),
        pytest.param(BUND, "40", "405", None, id="one foreign share for ten"),
        pytest.param(SHARE, "600", "420", -180, id="a fall"),
        pytest.param(CALL, "10", "2", -800, id="option"),
        pytest.param(FUTURE, "6000", "3000", -150_000, id="future"),
        pytest.param(ON_FUTURE, "40", "4", -1_800, id="option on a future"),
    ],
)
def test_close_before_a_split_is_no_base_of_the_change(
    account: Account, contract: Contract, close: str, price: str, change: int | None
) -> None:
    quoted(contract, None, previous_close=close)
    traded(account, contract, SELL, 1, price)
    found = figures(account)
    assert (found.daily_change, found.legs_without_change) == (change, int(change is None))


def test_close_before_a_split_that_the_journal_knows_is_no_base(account: Account) -> None:
    quoted(SHARE, None, previous_close="850")
    traded(account, SHARE, BUY, 50, "0", hours_ago=7, kind=ExecutionKind.SPLIT)
    assert figures(account).legs == 0
    traded(account, SHARE, SELL, 150, "600")
    found = figures(account)
    assert (found.daily_change, found.legs, found.legs_without_change) == (None, 1, 1)


@pytest.mark.parametrize(
    ("synced_at", "hours_ago"),
    [
        pytest.param(NOON, 26, id="closed yesterday"),
        pytest.param(NOON - timedelta(hours=2), 1, id="opened, and not yet in the book"),
        pytest.param(None, 1, id="never synced"),
    ],
)
def test_other_fills_are_no_closed_legs(
    account: Account, synced_at: datetime | None, hours_ago: float
) -> None:
    Account.objects.update(last_synced_at=synced_at)
    quoted(CALL, "11")
    traded(account, CALL, SELL, 2, "14", hours_ago=hours_ago)
    found = figures(account)
    assert (found.value, found.daily_change, found.legs) == (None, None, 0)


def test_position_that_is_still_held_is_counted_once(account: Account) -> None:
    quoted(CALL, "11")
    traded(account, CALL, SELL, 1, "14")
    row = resolve_instruments([CALL]).popitem()[1]
    PositionFactory.create(account=account, instrument=row, market_value=1_200, daily_change=400)
    assert figures(account).daily_change == 400


@pytest.mark.parametrize(
    ("held", "fills", "change", "percent"),
    [
        # 100 held at 11, 99 sold at 11.1: (11.1 - 11) x 100 of 11 x 100, not of what is left.
        pytest.param(1, [(SELL, 99, "11.1")], 1_000, "0.9091", id="nearly all sold"),
        pytest.param(-1, [(BUY, 99, "11.1")], -1_000, "-0.9091", id="nearly all bought back"),
        # (11.1 - 11) x 2 + (11.1 - 10.5), of 11 x 2 + 10.5.
        pytest.param(3, [(BUY, 1, "10.5")], 80, "2.4615", id="one added"),
        pytest.param(2, [(BUY, 2, "10")], 220, "11", id="bought today"),
        # 2 held, 3 sold at 13: (13 - 11) x 2 + (13 - 11.1), of 11 x 2.
        pytest.param(-1, [(SELL, 3, "13")], 590, "26.8182", id="through zero"),
        # 3 bought at 10, 2 sold at 11: (11.1 - 10) x 3 - (11.1 - 11) x 2, of 10 x 3.
        pytest.param(1, [(BUY, 3, "10"), (SELL, 2, "11")], 310, "10.3333", id="sold in part"),
    ],
)
def test_percent_of_what_is_held_is_of_what_was_at_work(
    account: Account, held: int, fills: list[tuple[Side, int, str]], change: int, percent: str
) -> None:
    row = resolve_instruments([CALL]).popitem()[1]
    for number, (side, quantity, paid) in enumerate(fills):
        traded(account, CALL, side, quantity, paid, hours_ago=1 - number / 10)
    price = Decimal("11.1")
    PositionFactory.create(
        account=account,
        instrument=row,
        quantity=held,
        price=price,
        opening_price=11,
        as_of=NOON,
        market_value=price * held * 100,
        daily_change=change,
    )
    found = figures(account)
    assert (found.daily_change, found.daily_change_percent) == (change, Decimal(percent))
    assert (found.legs, found.legs_without_change) == (1, 0)
