"""*american*: prices and Greeks of American options, beside QuantLib's fast scheme.

QuantLib's engine has no Greeks: they are six of its prices, the fewest that differences need.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from greeks.maths.american import all_greeks, implied_volatility, price
from greeks.maths.american_contracts import contracts_of, groups_of
from tests.benchmarks.option_chains import contracts, quantlib_calls
from tests.benchmarks.options import Options
from tests.benchmarks.rounds import Row, interleaved, median, seconds
from tests.greeks.maths.quantlib import american_price

COUNT, FEW = 2_000, 300
# 20,000 prices a second, and five prices for the Greeks.
BAR, GREEKS_BAR = COUNT / 20_000 * 1e3, COUNT / 4_000 * 1e3


def measure(options: Options) -> list[Row]:
    columns = contracts(4 * COUNT)
    early = groups_of(contracts_of(*columns)[0]).by_boundary[:COUNT]
    columns = tuple(np.asarray(column)[early] for column in columns)
    few = [column[:FEW] for column in columns]

    found: list[float] = []

    def ask(option: Any) -> None:
        found.append(option.NPV())

    quantlib = quantlib_calls(few, ask, american=True)
    quantlib()
    exact = np.array([_exact(*one) for one in zip(*few, strict=True)])
    unit = np.maximum(few[0], few[1])
    off, theirs = (
        float((np.abs(prices - exact) / unit).max()) for prices in (price(*few), np.array(found))
    )
    told = (price(*columns), *columns[:5], columns[6])
    figures = interleaved(
        {
            "price": lambda: seconds(lambda: price(*columns)),
            "greeks": lambda: seconds(lambda: all_greeks(*columns)),
            "volatility": lambda: seconds(lambda: implied_volatility(*told)),
            "quantlib": lambda: seconds(quantlib) * COUNT / FEW,
            "quantlib greeks": lambda: sum(seconds(quantlib) for _ in range(6)) * COUNT / FEW,
        },
        rounds=options.rounds,
    )
    ms = {name: median(values) * 1e3 for name, values in figures.items()}
    note = f"{COUNT / ms['price'] * 1e3:,.0f} a second, off by {off:.1e} of the strike at most"
    fast = f"its fast scheme, of {FEW} contracts, scaled; off by {theirs:.1e}"
    six = "six prices a contract"
    return [
        Row(name="American: 2,000 prices", measured=ms["price"], bar=BAR, unit="ms", note=note),
        Row(name="÷ QuantLib", measured=ms["price"], bar=ms["quantlib"], unit="ms", note=fast),
        Row(name="American: Greeks of 2,000", measured=ms["greeks"], bar=GREEKS_BAR, unit="ms"),
        Row(
            name="÷ QuantLib's Greeks",
            measured=ms["greeks"],
            bar=ms["quantlib greeks"],
            unit="ms",
            note=six,
        ),
        Row(name="American: implied vols of 2,000", measured=ms["volatility"], unit="ms"),
    ]


def _exact(*contract: Any) -> float:
    """By QuantLib's high-precision scheme."""
    spot, strike, years, rate, dividend_yield, volatility, is_call = contract
    days = round(float(years) * 365)
    return american_price(
        float(spot), float(strike), days, float(rate), float(dividend_yield), float(volatility),
        bool(is_call),
    )  # fmt: skip
