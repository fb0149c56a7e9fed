"""How old the price of an underlying may be that Greeks are computed from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from greeks.calendar.seeding import seed_exchange_sessions
from greeks.domain import Contract, Snapshot
from greeks.instruments.store import resolve_instruments
from portfolio.market_data.spots import known_spots
from portfolio.models import Account, Position, Quote, SyncRun
from tests.factories import AccountFactory
from tests.portfolio.books import FakeBroker, option, position, quote, stock

pytestmark = pytest.mark.django_db


def utc(day: int, hour: int, minute: int = 0) -> datetime:
    """Return a moment of November 2026.

    The 20th is a Friday, New York trades from 14:30 to 21:00.
    """
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


@pytest.fixture(autouse=True)
def calendar(settings: Any) -> None:
    settings.SPOT_MAXIMUM_AGE_SECONDS = 1200
    for exchange in ("NYSE", "NSE"):
        seed_exchange_sessions(exchange=exchange, from_year=2026, to_year=2026)


def spots(currency: str, as_of: datetime, at: datetime) -> dict[str, float]:
    instruments = resolve_instruments([stock("SPY", currency=currency)]).values()
    for instrument in instruments:
        Quote.objects.create(
            instrument=instrument, symbol="SPY", price=600, source="ibkr", as_of=as_of
        )
    return known_spots(instruments, at=at)


@pytest.mark.parametrize(
    ("as_of", "at", "is_good"),
    [
        (utc(20, 16, 45), utc(20, 17), True),
        (utc(20, 16, 39), utc(20, 17), False),
        (utc(20, 20, 55), utc(21, 3), True),  # the evening: the session's last price
        (utc(20, 20, 55), utc(22, 17), True),  # Sunday
        (utc(20, 17), utc(22, 17), False),  # Sunday, a price of Friday noon
        (utc(20, 20, 55), utc(23, 14, 31), False),  # Monday's opening
        (utc(25, 20, 50), utc(26, 17), True),  # Thanksgiving
        (utc(27, 17, 50), utc(27, 20), True),  # a half day, closed at 18:00
        (utc(21, 15), utc(21, 15, 10), True),  # a market that trades on Saturday
    ],
)
def test_spot_ages_while_its_exchange_trades(as_of: datetime, at: datetime, is_good: bool) -> None:
    assert spots("USD", as_of, at) == ({"stock:SPY:USD": 600.0} if is_good else {})


@pytest.mark.parametrize("is_good", [True, False])
def test_spot_ages_always_where_no_calendar_is_known(is_good: bool) -> None:
    age = timedelta(minutes=19 if is_good else 21)

    assert bool(spots("EUR", utc(21, 3), utc(21, 3) + age)) is is_good


def test_exchange_of_the_currency_counts() -> None:
    # Mumbai closed at 10:00 UTC, while New York trades.
    assert spots("INR", utc(20, 9, 55), utc(20, 17)) == {"stock:SPY:INR": 600.0}


def test_spots_of_many_underlyings_are_one_query_and_the_calendars(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    contracts = [stock(f"S{number}") for number in range(50)]
    instruments = list(resolve_instruments(contracts).values())
    for row in instruments:
        Quote.objects.create(
            instrument=row, symbol=row.symbol, price=1, source="ibkr", as_of=utc(20, 17)
        )

    with django_assert_max_num_queries(2):
        assert len(known_spots(instruments, at=utc(20, 17))) == 50


def test_old_spot_leaves_the_last_known_greeks_marked(
    broker: FakeBroker, run_sync: Callable[[str], SyncRun], settings: Any
) -> None:
    """Two syncs of one afternoon; in the second the broker has option prices and no spot."""
    account: Account = AccountFactory.create()
    contract = option(600, expiry=date(2027, 1, 15))
    broker.positions = [position(contract, -2)]
    settings.MARKET_CLOCK = utc(20, 17).isoformat()
    run_sync(account.pk)
    before = Position.objects.get()

    def option_price_only(asked: Contract) -> Snapshot | None:
        priced = quote(asked, mark=Decimal(15)) if asked.is_option else None
        return Snapshot(contract=asked, quote=priced, greeks=None)

    broker.snapshot = option_price_only
    settings.MARKET_CLOCK = utc(20, 17, 15).isoformat()
    run_sync(account.pk)
    recent = Position.objects.get()
    assert (recent.greeks_source, recent.greeks_last_known) == ("model", False)

    settings.MARKET_CLOCK = utc(20, 18).isoformat()
    run_sync(account.pk)

    late = Position.objects.get()
    assert late.price == Decimal(15)
    assert late.greeks_last_known
    assert (late.delta_raw, late.greeks_as_of) == (recent.delta_raw, recent.greeks_as_of)
    assert before.greeks_source == "ibkr"
