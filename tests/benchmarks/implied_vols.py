"""*implied vols*: of 10,000 prices, compared with vollib and QuantLib."""

from __future__ import annotations

import numpy as np

from greeks.maths.black_scholes import all_greeks
from greeks.maths.implied_volatility import implied_volatility
from tests.benchmarks.option_chains import contracts
from tests.benchmarks.options import Options
from tests.benchmarks.rounds import Row, interleaved, median, seconds

COUNT, FEW = 10_000, 500
BAR = 5.0


def measure(options: Options) -> list[Row]:
    import QuantLib
    from vollib.black_scholes_merton.implied_volatility import implied_volatility as peer

    columns = contracts(COUNT)
    priced = all_greeks(*columns)
    # Where a thousandth of a cent tells a point of volatility: what a quote could determine.
    told = priced.vega > 1e-5
    arguments = (priced.price, *columns[:5], columns[6])
    few = [column[told][:FEW] for column in arguments]

    def vollib() -> None:
        for value, s, k, t, r, q, call in zip(*few, strict=True):
            peer(value, s, k, t, r, q, "c" if call else "p")

    def quantlib() -> None:
        for value, s, k, t, r, q, call in zip(*few, strict=True):
            right = QuantLib.Option.Call if call else QuantLib.Option.Put
            discount = float(np.exp(-r * t))
            forward = float(s * np.exp((r - q) * t))
            QuantLib.blackFormulaImpliedStdDev(
                right, float(k), forward, float(value), discount, 0.0, 0.2, 1e-10, 1000
            )

    figures = interleaved(
        {
            "ours": lambda: seconds(lambda: implied_volatility(*arguments)),
            "vollib": lambda: seconds(vollib) * COUNT / FEW,
            "quantlib": lambda: seconds(quantlib) * COUNT / FEW,
        },
        rounds=max(options.rounds, 9),
    )
    ms = {name: median(values) * 1e3 for name, values in figures.items()}
    found = implied_volatility(*arguments)
    missing = int(np.isnan(found[told]).sum())
    error = float(np.abs(found - columns[5])[told].max())
    note = (
        f"{int(told.sum())} prices determine one: {missing} of them NaN, largest error {error:.0e}"
    )
    scaled = f"of {FEW} prices, scaled"
    return [
        Row(name="implied vols of 10,000", measured=ms["ours"], bar=BAR, unit="ms", note=note),
        Row(name="peer: QuantLib", measured=ms["quantlib"], unit="ms", note=scaled),
        Row(name="peer: vollib", measured=ms["vollib"], unit="ms", note=scaled),
    ]
