"""The expiry of index options of which only the last trading day is told."""

from __future__ import annotations

from datetime import date

import pytest

from greeks.instruments.future_terms import last_trading_day
from greeks.instruments.last_trading import expiry_after, volatility_expiry


@pytest.mark.parametrize(
    ("trading_class", "underlying", "currency", "last", "expiry"),
    [
        ("SPX", "SPX", "USD", "2020-01-16", "2020-01-17"),
        # Good Friday is the third Friday of April 2025, Juneteenth that of June 2026.
        ("NDX", "NDX", "USD", "2025-04-16", "2025-04-17"),
        ("SPX", "SPX", "USD", "2026-06-17", "2026-06-18"),
        # The expiry itself, another week, a class that settles at the close, an unknown class.
        ("SPX", "SPX", "USD", "2020-01-17", "2020-01-17"),
        ("SPX", "SPX", "USD", "2020-01-09", "2020-01-09"),
        ("SPXW", "SPX", "USD", "2020-01-16", "2020-01-16"),
        ("", "SPX", "USD", "2020-01-16", "2020-01-16"),
        ("", "DJX", "USD", "2027-03-18", "2027-03-19"),
        ("", "SPY", "USD", "2027-03-18", "2027-03-18"),
        ("VIX", "VIX", "USD", "2026-12-15", "2026-12-16"),
        ("VIXW", "VIX", "USD", "2026-12-08", "2026-12-09"),
        # 30 days before a third Friday that is a holiday: a Tuesday.
        ("VIX", "VIX", "USD", "2025-03-17", "2025-03-18"),
        ("VIX", "VIX", "USD", "2026-12-16", "2026-12-16"),
        # Osaka: Thursday to Friday, Tuesday to Wednesday, and a Friday that is a holiday.
        ("N225", "N225", "JPY", "2026-12-10", "2026-12-11"),
        ("", "N225", "JPY", "2026-12-08", "2026-12-09"),
        ("N225", "N225", "JPY", "2025-03-18", "2025-03-19"),
        ("N225", "N225", "JPY", "2026-12-11", "2026-12-11"),
        ("SXO", "TX60", "CAD", "2026-12-17", "2026-12-18"),
        ("", "TX60", "CAD", "2026-12-18", "2026-12-18"),
        ("ODAX", "DAX", "EUR", "2026-12-17", "2026-12-17"),
        ("OSMI", "SMI", "CHF", "2026-12-17", "2026-12-18"),
        ("", "SMI", "CHF", "2026-12-18", "2026-12-18"),
        ("MXEA", "MXEA", "USD", "2027-01-14", "2027-01-15"),
        ("CBTXW", "CBTX", "USD", "2026-12-17", "2026-12-17"),
    ],
)
def test_expiry_follows_from_the_last_trading_day(
    trading_class: str, underlying: str, currency: str, last: str, expiry: str
) -> None:
    found = expiry_after(
        date.fromisoformat(last),
        trading_class=trading_class,
        underlying=underlying,
        currency=currency,
    )
    assert found == date.fromisoformat(expiry)


@pytest.mark.parametrize(
    ("code", "day"),
    [
        ("/ESZ6", "2026-12-18"),
        # Juneteenth and Christmas are the Fridays they would expire on.
        ("/ESM6", "2026-06-18"),
        ("/BTCZ6", "2026-12-24"),
        # The 25th is Christmas, and a Saturday.
        ("/CLF7", "2026-12-21"),
        ("/CLX25", "2025-10-21"),
        ("/MCLX25", "2025-10-20"),
        ("/RBF7", "2026-12-31"),
        ("/PLF7", "2027-01-27"),
        ("/6EZ6", "2026-12-14"),
        ("/6CZ6", "2026-12-15"),
        ("/SR3Z6", "2027-03-16"),
        ("/HEZ6", "2026-12-14"),
        ("/LEZ6", "2026-12-31"),
        ("/ZRF7", "2027-01-14"),
        ("/XCH7", "2027-03-12"),
        ("/MNGF7", "2026-12-28"),
        ("/NGF7", "2026-12-29"),
        ("/ZQZ6", "2026-12-31"),
        ("/10YX6", "2026-11-30"),
        ("/6LG7", "2027-01-29"),
        ("/SOLX6", "2026-11-27"),
        ("/EMDH7", "2027-03-19"),
        ("/GFF7", None),
    ],
)
def test_future_of_an_export_ends_on_its_exchanges_day(code: str, day: str | None) -> None:
    expected = None if day is None else date.fromisoformat(day)
    assert last_trading_day(code, near=date(2026, 3, 2)) == expected


def test_volatility_expires_thirty_days_before_the_next_index_options() -> None:
    assert volatility_expiry(2026, 12) == date(2026, 12, 16)
    assert volatility_expiry(2025, 3) == date(2025, 3, 18)
