"""*scenario grid*: 21 spots × 21 volatilities × 5 days of 200 legs, beside plain NumPy."""

from __future__ import annotations

import numpy as np

from greeks.maths import black_scholes
from greeks.maths.valuation import CashDividends, Legs, value_grid
from tests.benchmarks.option_chains import contracts
from tests.benchmarks.options import Options
from tests.benchmarks.rounds import Row, interleaved, median, seconds

LEGS = 200
BAR = 20.0
SPOTS, SHIFTS = np.linspace(0.8, 1.2, 21), np.linspace(-0.1, 0.1, 21)
FORWARD = np.array([0.0, 7.0, 30.0, 60.0, 90.0]) / 365.0
PAYING = 20


def measure(options: Options) -> list[Row]:
    spot, strike, years, rate, dividend_yield, volatility, is_call = contracts(LEGS)

    def legs(*, american: bool, dividends: CashDividends | None = None) -> Legs:
        return Legs.of(
            spot=spot,
            strike=strike,
            years=years,
            rate=rate,
            dividend_yield=dividend_yield,
            volatility=volatility,
            is_call=is_call,
            is_american=american,
            dividends=dividends,
        )

    times = np.tile([[0.08, 0.33, 0.58]], (LEGS, 1))
    paying = legs(american=True, dividends=CashDividends(times, np.full_like(times, 0.3)))
    paying = paying.take(np.arange(PAYING))
    european, american = legs(american=False), legs(american=True)

    def plain() -> None:
        """Compute the formula on broadcast axes, sharing only what NumPy shares."""
        black_scholes.price(
            spot * SPOTS[:, None],
            strike,
            np.maximum(years - FORWARD[:, None, None, None], 0.0),
            rate,
            dividend_yield,
            np.maximum(volatility + SHIFTS[:, None, None], 0.0),
            is_call,
        )

    figures = interleaved(
        {
            "european": lambda: seconds(lambda: value_grid(european, SPOTS, SHIFTS, FORWARD)),
            "plain": lambda: seconds(plain),
            "american": lambda: seconds(lambda: value_grid(american, SPOTS, SHIFTS, FORWARD)),
            "paying": lambda: seconds(lambda: value_grid(paying, SPOTS, SHIFTS, FORWARD)),
        },
        rounds=options.rounds,
    )
    ms = {name: median(values) * 1e3 for name, values in figures.items()}
    cells = SPOTS.size * SHIFTS.size * FORWARD.size * LEGS
    return [
        Row(
            name="scenario grid: 200 European legs",
            measured=ms["european"],
            bar=BAR,
            unit="ms",
            note=f"{cells:,} revaluations",
        ),
        Row(name="peer: the formula, broadcast by NumPy", measured=ms["plain"], unit="ms"),
        Row(name="scenario grid: 200 American legs", measured=ms["american"], unit="ms"),
        Row(
            name=f"scenario grid: {PAYING} American legs with dividends",
            measured=ms["paying"],
            unit="ms",
        ),
    ]
