"""*gex*: gamma exposure of 10,000 contracts with its profile, beside a loop in plain NumPy."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime

import numpy as np

from greeks.chains import Floats
from greeks.gex.engine.columns import ExposureColumns
from greeks.gex.engine.definition import DEALERS, SETTLEMENT_INSTANT
from greeks.gex.engine.exposure import compute_exposure, summarise
from tests.benchmarks.options import Options
from tests.benchmarks.rounds import Row, interleaved, median

COUNT, SPOT = 10_000, 6_000.0
BAR = 100.0
_TODAY = date(2026, 11, 27)


def measure(options: Options) -> list[Row]:
    columns = _chain()
    dealers = DEALERS["long_calls_short_puts"]

    def ours() -> None:
        exposure = compute_exposure(columns, SETTLEMENT_INSTANT, dealers)
        summarise(exposure)
        summarise(exposure, without_zero_dte=True)

    figures = interleaved(
        {
            "ours": lambda: _processor_seconds(ours),
            "numpy": lambda: _processor_seconds(lambda: plain_numpy(columns)),
        },
        rounds=options.rounds,
    )
    ms = {name: median(values) * 1e3 for name, values in figures.items()}
    note = f"{SETTLEMENT_INSTANT.levels} spots; gamma alone, the profile alone"
    return [
        Row(
            name="gamma exposure of 10,000 contracts, processor time",
            measured=ms["ours"],
            bar=BAR,
            unit="ms",
        ),
        Row(name="the same ÷ the loop", measured=ms["ours"] / ms["numpy"], bar=1.0, unit="×"),
        Row(name="peer: a loop in plain NumPy", measured=ms["numpy"], unit="ms", note=note),
    ]


def plain_numpy(columns: ExposureColumns) -> list[float]:
    """Compute the two profiles in the obvious way."""
    sign = np.where(columns.is_call, 1.0, -1.0)
    later = columns.expiry != columns.today.toordinal()
    profile = []
    for level in np.linspace(0.8 * SPOT, 1.2 * SPOT, SETTLEMENT_INSTANT.levels):
        exposed = _exposed(columns, float(level)) * sign
        profile += [float(exposed.sum()), float(exposed[later].sum())]
    return profile


def _exposed(columns: ExposureColumns, spot: float) -> Floats:
    deviation = columns.volatility * np.sqrt(columns.years)
    drift = columns.rate - columns.dividend_yield + 0.5 * columns.volatility**2
    d1 = (np.log(spot / columns.strike) + drift * columns.years) / deviation
    density = np.exp(-columns.dividend_yield * columns.years - 0.5 * d1 * d1)
    gamma = density / (np.sqrt(2.0 * np.pi) * spot * deviation)
    exposed: Floats = gamma * columns.units * spot * spot * 0.01
    return exposed


def _processor_seconds(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


def _chain() -> ExposureColumns:
    """Return a chain like that of SPX: 50 expiries, today's among them."""
    random = np.random.default_rng(7)
    days = random.integers(0, 50, COUNT)
    return ExposureColumns(
        spot=SPOT,
        at=datetime(2026, 11, 27, 15, 0, tzinfo=UTC),
        today=_TODAY,
        strike=random.choice(np.arange(4_000.0, 8_000.0, 5.0), COUNT),
        is_call=random.random(COUNT) < 0.5,
        units=(random.integers(1, 9_000, COUNT) * 100.0).astype(np.float64),
        expiry=_TODAY.toordinal() + days * 7,
        years=((days * 7 + 0.25) / 365.0).astype(np.float64),
        weekdays=days * 5,
        rate=np.full(COUNT, 0.04),
        dividend_yield=np.full(COUNT, 0.012),
        volatility=random.uniform(0.08, 0.6, COUNT),
        vendor_gamma=np.full(COUNT, np.nan),
    )
