"""Prices of Treasuries in 32nds, of options on them in 64ths, of grains in eighths of a cent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from greeks.domain import Contract, InstrumentKind
from greeks.instruments.fractions import price_of_fractions


@pytest.mark.parametrize(
    ("underlying", "is_option", "text", "price"),
    [
        ("/ZN", False, "110'165", "110.515625"), ("/ZN", False, "110'16.5", "110.515625"),
        ("/ZN", False, "110'16", "110.5"), ("/ZB", False, "117'00", "117"),
        ("/ZT", False, "104'071", "104.22265625"), ("/ZF", False, "108'317", "108.9921875"),
        ("/ZNH7", True, "1'32", "1.5"), ("/ZBH7", True, "0'63", "0.984375"),
        ("/ZC", False, "450'2", "450.25"), ("/ZSH7", True, "10'4", "10.5"),
        ("/ZN", False, "110'32", None), ("/ZN", False, "110'4", None),
        ("/ZN", False, "110'164", None), ("/ZC", False, "450'8", None),
        ("/ES", False, "6000'2", None), ("/ZN", False, "110.5", None), ("/ZN", False, "", None),
    ],
)  # fmt: skip
def test_price_in_fractions_is_that_in_decimals(
    underlying: str, is_option: bool, text: str, price: str | None
) -> None:
    contract = Contract(
        kind=InstrumentKind.FUTURE_OPTION if is_option else InstrumentKind.FUTURE,
        symbol="", underlying=underlying, multiplier=Decimal(1000), currency="USD",
    )  # fmt: skip
    found = price_of_fractions(text, contract)
    assert found == (None if price is None else Decimal(price))
