from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from greeks.domain import Contract, InstrumentKind, Right
from greeks.services.expiry import exercise_style, expiry_instant


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
