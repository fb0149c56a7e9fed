"""*greeks*: price and five Greeks of 10,000 contracts, beside plain NumPy, vollib and QuantLib."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr

from greeks.maths.black_scholes import all_greeks
from tests.benchmarks.option_chains import Floats, contracts, quantlib_calls
from tests.benchmarks.options import Options
from tests.benchmarks.rounds import Row, interleaved, median, seconds

COUNT, FEW = 10_000, 500
BAR = 0.5


def measure(options: Options) -> list[Row]:
    from vollib.black_scholes_merton import black_scholes_merton
    from vollib.black_scholes_merton.greeks import analytical

    columns = contracts(COUNT)
    few = [column[:FEW] for column in columns]

    def vollib() -> None:
        for s, k, t, r, q, v, call in zip(*few, strict=True):
            flag = "c" if call else "p"
            black_scholes_merton(flag, s, k, t, r, v, q)
            for greek in (
                analytical.delta,
                analytical.gamma,
                analytical.theta,
                analytical.vega,
                analytical.rho,
            ):
                greek(flag, s, k, t, r, v, q)

    def ask(option: Any) -> None:
        option.NPV(), option.delta(), option.gamma(), option.theta(), option.vega(), option.rho()

    quantlib = quantlib_calls(few, ask, american=False)
    figures = interleaved(
        {
            "ours": lambda: seconds(lambda: all_greeks(*columns)),
            "numpy": lambda: seconds(lambda: plain_numpy(*columns)),
            "vollib": lambda: seconds(vollib) * COUNT / FEW,
            "quantlib": lambda: seconds(quantlib) * COUNT / FEW,
        },
        rounds=max(options.rounds, 15),
        each=5,
    )
    ms = {name: median(values) * 1e3 for name, values in figures.items()}
    scaled = f"of {FEW} contracts, scaled"
    return [
        Row(name="Greeks of 10,000 contracts", measured=ms["ours"], bar=BAR, unit="ms"),
        Row(name="peer: plain NumPy", measured=ms["numpy"], unit="ms"),
        Row(name="peer: QuantLib", measured=ms["quantlib"], unit="ms", note=scaled),
        Row(name="peer: vollib", measured=ms["vollib"], unit="ms", note=scaled),
    ]


def plain_numpy(
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    volatility: Floats,
    is_call: Any,
) -> tuple[Floats, ...]:
    """Compute the textbook formulas, written in the obvious way."""
    sign = np.where(is_call, 1.0, -1.0)
    root = np.sqrt(years)
    d1 = np.log(spot / strike) + (rate - dividend_yield + 0.5 * volatility**2) * years
    d1 /= volatility * root
    d2 = d1 - volatility * root
    stock, bond = np.exp(-dividend_yield * years), strike * np.exp(-rate * years)
    density = np.exp(-0.5 * d1 * d1) / np.sqrt(2.0 * np.pi)
    first, second = ndtr(sign * d1), ndtr(sign * d2)
    price = sign * (spot * stock * first - bond * second)
    delta = sign * stock * first
    gamma = stock * density / (spot * volatility * root)
    vega = spot * stock * density * root / 100.0
    rho = sign * years * bond * second / 100.0
    theta = -spot * stock * density * volatility / (2.0 * root) / 365.0
    theta += sign * (dividend_yield * spot * stock * first - rate * bond * second) / 365.0
    return price, delta, gamma, theta, vega, rho
