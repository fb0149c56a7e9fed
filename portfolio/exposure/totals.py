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
    places_by,
    ratio,
    sum_accounts,
    sums,
    total,
    without_greeks,
)

_APART = ("market_value", "daily_change", "dollar_delta", "theta", "vega")
_GROUPED = (
    "market_value", "daily_change", "delta", "dollar_delta", "beta_weighted_delta", "gamma",
    "dollar_gamma", "beta_weighted_gamma", "theta", "vega",
)  # fmt: skip


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
    count in an underlying's delta and gamma, but their money is shown apart under ``by_currency``.
    The change of the day is in percent of net liquidation. The months of a future and options on
    them are one underlying (``history_name``).
    """
    columns = leg_columns(legs)
    named = {leg.currency for leg in legs} | {account.currency for account in accounts}
    unconverted = sorted(name for name in named if name != currency and name not in rates)
    values = convert(columns, legs, currency=currency, rates=rates, weights=weights)
    lacking = without_greeks(legs, columns)
    dated = np.array([leg.expiry is not None for leg in legs], dtype=bool)

    net_liquidation = sum_accounts(accounts, "net_liquidation", currency=currency, rates=rates)
    maint_margin = sum_accounts(accounts, "maint_margin", currency=currency, rates=rates)
    totals = sums(values, ("unrealized_pnl", *_GROUPED))
    change = ratio(totals["daily_change"], net_liquidation)
    return {
        "currency": currency,
        "net_liquidation": net_liquidation,
        "maint_margin": maint_margin,
        **totals,
        "daily_change_percent": None if change is None else change * 100,
        "theta_to_net_liq": ratio(totals["theta"], net_liquidation),
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
            key=lambda leg: leg.history_name,
            describe=lambda leg: {"underlying": leg.history_name},
            lacking=lacking,
        ),
        "by_expiry": _grouped(
            [leg for leg in legs if leg.expiry is not None],
            {name: each[dated] for name, each in values.items()},
            key=lambda leg: leg.expiry,
            describe=lambda leg: {"expiry": leg.expiry, "dte": leg.dte},
            lacking=lacking[dated],
        ),
    }


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
    rows = []
    for _, members in sorted(places_by(key(leg) for leg in legs).items()):
        chosen = np.array(members)
        rows.append(
            describe(legs[members[0]])
            | {"legs": len(chosen), "legs_without_greeks": int(lacking[chosen].sum())}
            | sums(values, _GROUPED, chosen)
        )
    return rows
