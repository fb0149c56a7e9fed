"""*american*: prices and Greeks of American options, beside QuantLib's fast scheme."""

from __future__ import annotations

from typing import Any

import numpy as np

from greeks.maths.american import all_greeks, implied_volatility, price
from greeks.maths.american_contracts import contracts_of, priced_by_boundary
from tests.benchmarks.option_chains import contracts, quantlib_calls
from tests.benchmarks.options import Options
from tests.benchmarks.rounds import Row, interleaved, median, seconds

COUNT, FEW = 2_000, 300
# 20,000 prices a second, and five prices for the Greeks.
BAR, GREEKS_BAR = COUNT / 20_000 * 1e3, COUNT / 4_000 * 1e3


def measure(options: Options) -> list[Row]:
    columns = contracts(4 * COUNT)
    early = priced_by_boundary(contracts_of(*columns)[0])[:COUNT]
    columns = tuple(np.asarray(column)[early] for column in columns)
    few = [column[:FEW] for column in columns]

    def ask(option: Any) -> None:
        option.NPV()

    quantlib = quantlib_calls(few, ask, american=True)
    told = (price(*columns), *columns[:5], columns[6])
    figures = interleaved(
        {
            "price": lambda: seconds(lambda: price(*columns)),
            "greeks": lambda: seconds(lambda: all_greeks(*columns)),
            "volatility": lambda: seconds(lambda: implied_volatility(*told)),
            "quantlib": lambda: seconds(quantlib) * COUNT / FEW,
        },
        rounds=options.rounds,
    )
    ms = {name: median(values) * 1e3 for name, values in figures.items()}
    note = f"{COUNT / ms['price'] * 1e3:,.0f} a second, within 1e-6 of the strike (PRICE_ERROR)"
    fast = f"its fast scheme, of {FEW} contracts, scaled"
    return [
        Row(name="American: 2,000 prices", measured=ms["price"], bar=BAR, unit="ms", note=note),
        Row(name="peer: QuantLib", measured=ms["quantlib"], unit="ms", note=fast),
        Row(name="American: Greeks of 2,000", measured=ms["greeks"], bar=GREEKS_BAR, unit="ms"),
        Row(name="American: implied vols of 2,000", measured=ms["volatility"], unit="ms"),
    ]
