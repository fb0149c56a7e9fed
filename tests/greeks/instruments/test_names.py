"""What contracts are called on the pages, whichever broker's form their symbol has."""

from __future__ import annotations

import pytest

from greeks.instruments.names import contract_name, held_name

NAMES = {
    "AAPL  260117C00150000": "AAPL 150 C 17 Jan 26",
    "AAPL260117C00150000": "AAPL 150 C 17 Jan 26",
    "SPXW  261204P07100500": "SPXW 7,100.5 P 4 Dec 26",
    "SDS1  261218C00020000": "SDS1 20 C 18 Dec 26",
    "MES 20261218 P 7010": "MES 7,010 P 18 Dec 26",
    "BANKNIFTY 20261201 C 59100": "BANKNIFTY 59,100 C 1 Dec 26",
    "M&M 20261229 P 3123.4567": "M&M 3,123.4567 P 29 Dec 26",
    "ZC 20261214": "ZC 14 Dec 26",
    "FF 20261218 3.125 yes": "FF 3.125 yes 18 Dec 26",
    "./MESH7MESH7 270319P6800": "/MESH7 6,800 P 19 Mar 27",
    "./ESZ5 EW4U5 250927P5975": "/ESZ5 5,975 P 27 Sep 25",
    "./MNQZ5D4AU5 250922C24575": "/MNQZ5 24,575 C 22 Sep 25",
    "./6EZ5EUUZ5  251205C1.165": "/6EZ5 1.165 C 5 Dec 25",
}
AS_THEY_ARE = ("AAPL", "/MESH7", "BRK/B", "EUR.USD", "", "X 20261340", "X 20261340 C 5", "BTC/USD")


@pytest.mark.parametrize(("symbol", "name"), NAMES.items())
def test_contract_reads_as_name_strike_right_and_day(symbol: str, name: str) -> None:
    assert contract_name(symbol) == name


@pytest.mark.parametrize("symbol", AS_THEY_ARE)
def test_what_has_no_other_name_stays(symbol: str) -> None:
    assert contract_name(symbol) == symbol


@pytest.mark.parametrize(
    ("symbol", "underlying", "name"),
    [
        ("SPX   261218P06880000", "SPX", "SPX 6,880 P"),
        # The same day, settled at the close.
        ("SPXW  261218P06880000", "SPX", "SPXW 6,880 P"),
        ("NVDA1 261224C00037500", "NVDA", "NVDA1 37.5 C"),
        ("BRKB  261218C00500000", "BRK/B", "BRK/B 500 C"),
        ("./MESH7MESH7 270319P6800", "/MESH7", "/MESH7 6,800 P"),
        ("NIFTY 20261215 C 25950", "NIFTY50", "NIFTY50 25,950 C"),
    ],
)
def test_position_is_named_by_its_class(symbol: str, underlying: str, name: str) -> None:
    strike = float(name.split()[1].replace(",", ""))
    assert held_name(symbol, underlying, strike, name[-1]) == name
