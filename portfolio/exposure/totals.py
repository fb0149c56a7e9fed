"""Totals of a book: signed leg Greeks × quantity × multiplier, in one vectorised pass.

Columns and units are those of :mod:`portfolio.exposure.columns`. A leg with a missing number is
counted and left out, never taken as zero. A total is ``None`` if no leg has the number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from portfolio.exposure.columns import (
    NO_WEIGHTS,
    BetaWeights,
    FloatArray,
    Leg,
    Mask,
    Money,
    convert,
    leg_columns,
    ratio,
    sum_accounts,
    total,
    without_greeks,
)

_APART = ("market_value", "daily_change", "dollar_delta", "theta", "vega")
_GROUPED = ("market_value", "daily_change", "dollar_delta", "delta", "gamma", "theta", "vega")


def book_totals(
    *,
    legs: Sequence[Leg],
    accounts: Sequence[Money],
    currency: str,
    rates: Mapping[str, float],
    weights: BetaWeights = NO_WEIGHTS,
) -> dict[str, Any]:
    """Total a book in ``currency``: all of it, by underlying and by expiry.

    ``rates`` gives units of ``currency`` per unit of another. Legs in a currency without a rate
    count in delta and gamma, but their money is shown apart under ``by_currency``.
    """
    columns = leg_columns(legs)
    named = {leg.currency for leg in legs} | {account.currency for account in accounts}
    unconverted = sorted(name for name in named if name != currency and name not in rates)
    values = convert(columns, legs, currency=currency, rates=rates, weights=weights)
    lacking = without_greeks(legs, columns)
    dated = np.array([leg.expiry is not None for leg in legs], dtype=bool)

    net_liquidation = sum_accounts(accounts, "net_liquidation", currency=currency, rates=rates)
    maint_margin = sum_accounts(accounts, "maint_margin", currency=currency, rates=rates)
    theta = total(values["theta"])
    return {
        "currency": currency,
        "net_liquidation": net_liquidation,
        "maint_margin": maint_margin,
        "market_value": total(values["market_value"]),
        "unrealized_pnl": total(values["unrealized_pnl"]),
        "daily_change": total(values["daily_change"]),
        "daily_change_percent": _percent_of_opening(values["market_value"], values["daily_change"]),
        "delta": total(values["delta"]),
        "dollar_delta": total(values["dollar_delta"]),
        "beta_weighted_delta": total(values["beta_weighted_delta"]),
        "gamma": total(values["gamma"]),
        "theta": theta,
        "vega": total(values["vega"]),
        "theta_to_net_liq": ratio(theta, net_liquidation),
        "margin_use": ratio(maint_margin, net_liquidation),
        "legs": len(legs),
        "legs_without_greeks": int(lacking.sum()),
        "legs_without_daily_change": int(np.isnan(columns["daily_change"]).sum()),
        "legs_without_dollar_delta": int(np.isnan(columns["dollar_delta"]).sum()),
        "legs_without_beta": int(np.isnan(values["beta"]).sum()),
        "unconverted": unconverted,
        "by_currency": _apart(legs, columns, unconverted),
        "by_underlying": _grouped(
            legs,
            values,
            key=lambda leg: leg.underlying,
            describe=lambda leg: {"underlying": leg.underlying},
            lacking=lacking,
        ),
        "by_expiry": _grouped(
            [leg for leg in legs if leg.expiry is not None],
            {name: values[name][dated] for name in _GROUPED},
            key=lambda leg: leg.expiry,
            describe=lambda leg: {"expiry": leg.expiry, "dte": leg.dte},
            lacking=lacking[dated],
        ),
    }


def _percent_of_opening(market_value: FloatArray, daily_change: FloatArray) -> float | None:
    both = ~np.isnan(market_value) & ~np.isnan(daily_change)
    opening = float(np.abs(market_value[both] - daily_change[both]).sum())
    if not opening:
        return None
    return float(daily_change[both].sum()) / opening * 100


def _apart(
    legs: Sequence[Leg], columns: Mapping[str, FloatArray], unconverted: Sequence[str]
) -> list[dict[str, Any]]:
    rows = []
    for name in unconverted:
        mine = np.array([leg.currency == name for leg in legs], dtype=bool)
        rows.append(
            {"currency": name, "legs": int(mine.sum())}
            | {column: total(columns[column][mine]) for column in _APART}
        )
    return rows


def _grouped(
    legs: Sequence[Leg],
    values: Mapping[str, FloatArray],
    *,
    key: Callable[[Leg], Any],
    describe: Callable[[Leg], dict[str, Any]],
    lacking: Mask,
) -> list[dict[str, Any]]:
    members: dict[Any, list[int]] = {}
    for index, leg in enumerate(legs):
        members.setdefault(key(leg), []).append(index)
    rows = []
    for name in sorted(members):
        chosen = np.array(members[name])
        rows.append(
            describe(legs[members[name][0]])
            | {"legs": len(chosen), "legs_without_greeks": int(lacking[chosen].sum())}
            | {column: total(values[column][chosen]) for column in _GROUPED}
        )
    return rows
