"""The risk report's legs and the scenario grid as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from config.core.web.csv_export import csv_lines
from portfolio.exposure.columns import ROW_COLUMNS

_LEG_COLUMNS = (
    "id", "account_id", "symbol", "underlying", "expiry", "strike", "right", "quantity",
    "multiplier", "price", "price_currency", "iv", "model", "greeks_source",
)  # fmt: skip


def risk_legs_csv(report: Mapping[str, Any]) -> Iterator[str]:
    """Return one line per leg; money in the report's currency, which each line names."""
    columns = (*_LEG_COLUMNS, *ROW_COLUMNS)
    rows = ([*(leg[name] for name in columns), report["currency"]] for leg in report["legs"])
    return csv_lines((*columns, "currency"), rows)


def grid_csv(grid: Mapping[str, Any]) -> Iterator[str]:
    """Return one line per cell: days, volatility points, spot percent, P&L and its currency."""
    axes = grid["axes"]
    rows = (
        (day, vol, spot, grid["pnl"][d][v][s], grid["currency"])
        for d, day in enumerate(axes["days"])
        for v, vol in enumerate(axes["vol"])
        for s, spot in enumerate(axes["spot"])
    )
    return csv_lines(("days", "vol_points", "spot_percent", "pnl", "currency"), rows)
