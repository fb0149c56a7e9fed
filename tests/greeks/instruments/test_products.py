"""Exercise style and hour of expiry by product."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from greeks.domain import Contract, Deliverable, InstrumentKind, Right
from greeks.instruments.expiry import expiry_instant
from greeks.instruments.occ import listed_name
from greeks.instruments.products import exercise_style
from greeks.instruments.store import resolve_instruments
from greeks.models import Instrument
from tests.identity_cases import identity_cases


def option(
    underlying: str,
    currency: str = "USD",
    *,
    root: str = "",
    day: date = date(2027, 3, 19),
    kind: InstrumentKind = InstrumentKind.OPTION,
) -> Contract:
    return Contract(
        kind=kind,
        symbol=root or underlying,
        underlying=underlying,
        root=root or underlying,
        multiplier=Decimal(10),
        currency=currency,
        expiry=day,
        strike=Decimal(100),
        right=Right.PUT,
    )


@pytest.mark.parametrize(
    ("underlying", "currency", "style"),
    [
        ("Z", "GBP", "european"),
        ("Z", "USD", "american"),
        ("DAX", "EUR", "european"),
        ("BMW", "EUR", "american"),
        ("SMI", "CHF", "european"),
        ("NESN", "CHF", "american"),
        ("HSI", "HKD", "european"),
        ("N225", "JPY", "european"),
        ("BANKNIFTY", "INR", "european"),
        ("SOX", "USD", "european"),
        ("AAPL", "USD", "american"),
        ("DAX", "USD", "american"),
        ("NQX", "USD", "european"),
        ("MXWLD", "USD", "european"),
        ("TECDAX", "EUR", "european"),
        ("SLI", "CHF", "european"),
        ("OMXS30", "SEK", "european"),
        ("ERICB", "SEK", "american"),
        ("K200", "KRW", "european"),
        ("SGXNK", "SGD", ""),
        ("OEX", "USD", "american"),
        ("XAU", "USD", "american"),
        ("OSX", "USD", ""),
        ("SIXM", "USD", "european"),
        ("XINA50", "USD", "european"),
        ("FTMIB", "EUR", "european"),
        ("SX7P", "EUR", "european"),
        ("VIXY", "USD", "american"),
    ],
)
def test_exercise_style_follows_the_product(underlying: str, currency: str, style: str) -> None:
    assert exercise_style(option(underlying, currency)) == style


@pytest.mark.parametrize(
    ("underlying", "root", "style"),
    [
        ("SPX", "2SPX", "european"),
        ("SPX", "4SPXW", "european"),
        ("SPX", "SPXQ", "european"),
        ("NDX", "NDXFL", "european"),
        ("2RUT", "2RUT", "european"),
        ("OEX", "XEO", "european"),
        ("OEX", "OEX", "american"),
        ("OEX", "1OEX", "american"),
        ("SDS", "SDS1", "american"),
        ("AAPL", "2AAPL", "american"),
    ],
)
def test_root_with_a_digit_and_the_index_decides(underlying: str, root: str, style: str) -> None:
    assert exercise_style(option(underlying, root=root)) == style


@pytest.mark.parametrize(
    ("underlying", "root", "currency", "style"),
    [
        ("/ESH7", "ES", "USD", "american"),
        ("/ESH7", "E3A", "USD", "european"),
        ("/RTYH7", "RTO", "USD", "american"),
        ("/6EH7", "EUU", "USD", "european"),
        ("EUR", "EUU", "USD", "european"),
        ("/BTCH7", "BTC", "USD", "european"),
        ("/CLK7", "LO", "USD", ""),
        ("GBL", "OGBL", "EUR", ""),
    ],
)
def test_exercise_style_of_options_on_futures(
    underlying: str, root: str, currency: str, style: str
) -> None:
    kind = InstrumentKind.FUTURE_OPTION
    assert exercise_style(option(underlying, currency, root=root, kind=kind)) == style


def test_root_that_ends_in_a_number_may_be_an_index_or_an_option_on_ten_shares() -> None:
    mini = option("AAPL", root="AAPL7")
    assert (mini.delivered or Deliverable(shares=Decimal(0))).shares == 10
    assert replace(mini, multiplier=Decimal(100)).delivered is None
    assert listed_name("XINA50") == "XINA50"
    assert not option("XINA50").is_adjusted
    assert option("SDS", root="SDS1").is_adjusted


@pytest.mark.parametrize(("root", "hour"), [("2SPX", 13), ("SPX", 13), ("4SPXW", 20)])
def test_flex_root_and_it_settles_like_the_listed_one(root: str, hour: int) -> None:
    at = expiry_instant(option("SPX", root=root))
    assert at == datetime(2027, 3, 19, hour, 30 if hour == 13 else 0, tzinfo=UTC)


def test_recorded_products_and_their_exercise_styles() -> None:
    for name, symbol, currency, style in identity_cases("exercise_styles"):
        assert exercise_style(option(symbol, currency)) == style, name


@pytest.mark.django_db
def test_stored_style_by_currency_is_corrected() -> None:
    contract = option("BMW", "EUR")
    resolve_instruments([contract])
    Instrument.objects.update(exercise_style="european")
    resolve_instruments([contract])
    assert Instrument.objects.get().exercise_style == "american"


@pytest.mark.parametrize(
    ("underlying", "root", "day", "hour", "minute"),
    [
        ("/CLK7", "LOK7", date(2027, 4, 15), 18, 30),
        ("CL", "LO", date(2027, 1, 14), 19, 30),
        ("/GCM7", "OGK7", date(2027, 4, 27), 17, 30),
        ("/6EM7", "EUUK7", date(2027, 5, 7), 14, 0),
        ("/ZCN7", "OZCM7", date(2027, 6, 25), 18, 20),
        # Quarterly options settle from the opening, end-of-month ones at the close.
        ("/ESM7", "ESM7", date(2027, 6, 18), 13, 30),
        ("ES", "ES", date(2026, 12, 18), 14, 30),
        ("ES", "ES", date(2026, 12, 4), 21, 0),
        ("ES", "ES", date(2026, 10, 16), 20, 0),
        ("/ESZ6", "ESZ6", date(2026, 12, 11), 21, 0),
        # The third Friday of June 2026 is a holiday.
        ("ES", "ES", date(2026, 6, 18), 13, 30),
        ("/ESM7", "EWM7", date(2027, 6, 30), 20, 0),
        ("/SILK7", "SOK7", date(2027, 4, 27), 17, 30),
        ("/PLN7", "POM7", date(2027, 5, 19), 17, 30),
        ("MXP", "6M", date(2027, 1, 8), 15, 0),
        ("/ZNM7", "OZNM7", date(2027, 5, 21), 21, 0),
        ("ZB", "OZB", date(2027, 1, 22), 22, 0),
        ("/MBTM7", "MBTM7", date(2027, 6, 25), 15, 0),
        ("/SOLZ6", "SOLZ6", date(2026, 12, 24), 16, 0),
        ("/LEM7", "LEM7", date(2027, 6, 4), 18, 0),
        ("/HEM7", "HEM7", date(2027, 6, 14), 17, 0),
        ("GF", "GF", date(2027, 1, 28), 18, 0),
        ("/KCN7", "KCN7", date(2027, 6, 11), 21, 0),
        ("SB", "SB", date(2027, 1, 15), 22, 0),
        ("CC", "CC", date(2027, 6, 4), 21, 0),
        ("CT", "CT", date(2027, 6, 11), 21, 0),
        ("OJ", "OJ", date(2027, 6, 18), 21, 0),
        # The quarterly root is not the future's; the week's option ends at the close.
        ("/RTYM7", "RTOM7", date(2027, 6, 18), 13, 30),
        ("/YMZ6", "OYMZ6", date(2026, 12, 18), 14, 30),
        ("/RTYM7", "R3EM7", date(2027, 6, 18), 20, 0),
        ("/DCZ6", "DCZ6", date(2026, 12, 29), 18, 10),
        ("COIL", "BRN", date(2027, 1, 26), 19, 30),
        ("ZQ", "ZQ1", date(2027, 1, 29), 22, 0),
        ("/6LG7", "BRG7", date(2027, 1, 29), 15, 15),
        # On a half day too: the reference rate is that of 16:00.
        ("BFF", "BFF", date(2026, 11, 27), 21, 0),
    ],
)
def test_option_on_a_future_expires_at_the_hour_of_its_product(
    underlying: str, root: str, day: date, hour: int, minute: int
) -> None:
    contract = option(underlying, root=root, day=day, kind=InstrumentKind.FUTURE_OPTION)
    assert expiry_instant(contract) == datetime.combine(day, time(hour, minute), tzinfo=UTC)


@pytest.mark.parametrize(
    ("underlying", "root", "currency", "hour", "minute"),
    [
        ("DAX", "ODAX", "EUR", 12, 0),
        ("ESTX50", "OESX", "EUR", 11, 0),
        ("CAC40", "PXA", "EUR", 15, 0),
        ("IBEX", "IBEX", "EUR", 15, 45),
        ("BMW", "BMW", "EUR", 16, 30),
        ("Z", "Z", "GBP", 10, 15),
        ("VOD", "VOD", "GBP", 16, 30),
        ("SMI", "OSMI", "CHF", 8, 0),
        ("OMXS30", "OMXS30", "SEK", 16, 30),
        ("K200", "K200", "KRW", 6, 30),
        ("D05", "D05", "SGD", 9, 0),
        ("N225", "N225", "JPY", 0, 0),
        ("TX60", "SXO", "CAD", 13, 30),
        # ASX: the opening prices of expiry Thursday, though trading goes on until noon.
        ("XJO", "XJO", "AUD", -1, 0),
        ("FTMIB", "FTMIB", "EUR", 8, 5),
        ("SX7P", "OS7P", "EUR", 11, 0),
        ("SOX", "SOX", "USD", 13, 30),
        ("XINA50", "XINA50", "USD", 7, 0),
        ("BKX", "BKX", "USD", 13, 30),
        ("SIXRE", "SIXRE", "USD", 13, 30),
        ("CBTX", "CBTX", "USD", 13, 30),
        ("CBTX", "CBTXW", "USD", 20, 0),
        # MSCI's settle at the close, though their last trading day is the day before.
        ("MXEA", "MXEA", "USD", 20, 0),
        ("DAX", "DAX", "USD", 20, 0),
    ],
)
def test_option_on_an_index_abroad_settles_at_the_hour_of_its_index(
    underlying: str, root: str, currency: str, hour: int, minute: int
) -> None:
    contract = option(underlying, currency, root=root)
    midnight = datetime(2027, 3, 19, tzinfo=UTC)
    assert expiry_instant(contract) == midnight + timedelta(hours=hour, minutes=minute)


@pytest.mark.parametrize(
    ("product", "currency", "hour", "minute"),
    [
        ("GBL", "EUR", 16, 15), ("EBM", "EUR", 17, 30), ("I", "EUR", 10, 0), ("CL", "EUR", 16, 30),
        ("V2TX", "EUR", 11, 0), ("RS", "CAD", 18, 15), ("SPI", "AUD", 1, 0), ("ES", "GBP", 16, 30),
    ],
)  # fmt: skip
def test_option_on_a_future_abroad_expires_at_its_own_hour(
    product: str, currency: str, hour: int, minute: int
) -> None:
    contract = option(product, currency, kind=InstrumentKind.FUTURE_OPTION)
    assert expiry_instant(contract) == datetime(2027, 3, 19, hour, minute, tzinfo=UTC)


def test_recorded_options_on_futures_and_their_instants() -> None:
    for case in identity_cases("future_option_expiry_instants"):
        day = date.fromisoformat(case["date"])
        said = case.get("vendor_says") or case["quarterly_am_settled"]
        contract = option(
            case["underlying"], root=case["root"], day=day, kind=InstrumentKind.FUTURE_OPTION
        )
        expected = datetime.combine(day, time.fromisoformat(said.removesuffix("Z")), tzinfo=UTC)
        assert expiry_instant(contract) == expected, case
