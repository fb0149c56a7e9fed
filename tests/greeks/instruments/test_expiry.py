from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from greeks.calendar.seeding import seed_exchange_sessions
from greeks.calendar.sessions import forget_sessions
from greeks.domain import Contract, InstrumentKind, Right
from greeks.instruments.expiry import expiry_instant, known_closes
from greeks.instruments.products import exercise_style


def option(underlying: str, root: str, expiry: date, currency: str = "USD") -> Contract:
    return Contract(
        kind=InstrumentKind.OPTION,
        symbol=root,
        underlying=underlying,
        root=root,
        multiplier=Decimal(100),
        currency=currency,
        expiry=expiry,
        strike=Decimal(100),
        right=Right.CALL,
    )


@pytest.mark.parametrize(
    ("contract", "hour", "minute", "style"),
    [
        # New York is five hours behind UTC in January and four in July.
        (option("AAPL", "AAPL", date(2027, 1, 15)), 21, 0, "american"),
        (option("AAPL", "AAPL", date(2027, 7, 16)), 20, 0, "american"),
        (option("SPX", "SPX", date(2027, 1, 15)), 14, 30, "european"),
        (option("SPX", "SPXW", date(2027, 1, 15)), 21, 0, "european"),
        (option("VIX", "VIX", date(2027, 1, 20)), 14, 30, "european"),
        (option("RUT", "RUT", date(2027, 7, 16)), 13, 30, "european"),
        (option("NIFTY", "NIFTY", date(2027, 1, 28), "INR"), 10, 0, "european"),
    ],
)
def test_option_expires_at_its_settlement(
    contract: Contract, hour: int, minute: int, style: str
) -> None:
    assert contract.expiry is not None
    expected = datetime(*contract.expiry.timetuple()[:3], hour, minute, tzinfo=UTC)
    assert expiry_instant(contract) == expected
    assert exercise_style(contract) == style


def test_stock_has_no_expiry() -> None:
    stock = Contract(
        kind=InstrumentKind.STOCK,
        symbol="AAPL",
        underlying="AAPL",
        multiplier=Decimal(1),
        currency="USD",
    )
    assert expiry_instant(stock) is None
    assert exercise_style(stock) == ""


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("contract", "hour", "minute"),
    [
        # The day after Thanksgiving ends at 13:00 in New York, and so do its options …
        (option("AAPL", "AAPL", date(2026, 11, 27)), 18, 0),
        (option("SPX", "SPXW", date(2026, 11, 27)), 18, 0),
        # … but what settles from opening prices.
        (option("SPX", "SPX", date(2026, 11, 27)), 14, 30),
        (option("AAPL", "AAPL", date(2026, 11, 20)), 21, 0),
        # Neither a holiday nor a day beyond the calendar has a close: the regular hours count.
        (option("AAPL", "AAPL", date(2026, 11, 26)), 21, 0),
        (option("AAPL", "AAPL", date(2041, 11, 29)), 21, 0),
        # A Muhurat hour in the evening is not when options of the day expire.
        (option("NIFTY", "NIFTY", date(2025, 10, 21), "INR"), 10, 0),
        # Toronto has no calendar here; New York's says nothing of it.
        (option("RY", "RY", date(2026, 11, 27), "CAD"), 21, 0),
    ],
)
def test_option_of_a_half_day_expires_at_that_sessions_close(
    contract: Contract, hour: int, minute: int
) -> None:
    for exchange in ("NYSE", "NSE"):
        seed_exchange_sessions(exchange=exchange, from_year=2025, to_year=2026)
    assert contract.expiry is not None

    at = expiry_instant(contract, known_closes([contract]))

    assert at == datetime(*contract.expiry.timetuple()[:3], hour, minute, tzinfo=UTC)


@pytest.mark.django_db(transaction=True)
def test_closes_of_many_contracts_are_one_query_a_minute(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    contracts = [option("AAPL", "AAPL", date(2026, 11, day)) for day in range(2, 28)]
    forget_sessions()

    with django_assert_num_queries(1):
        for _ in range(3):
            closes = known_closes(contracts)

    assert closes.keys() == {"USD"}
