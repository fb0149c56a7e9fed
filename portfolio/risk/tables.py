"""The tables of the risk report, from the legs' columns in one currency; its legs and the scenario
grid as CSV.

Expected move is one standard deviation, σ·S·√T (Hull, *Options, Futures, and Other Derivatives*,
ch. 15). The other figures are sums; :mod:`portfolio.exposure.columns` gives their units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from config.core.web.csv_export import csv_lines
from greeks.pricing.years import years_to
from portfolio.exposure.columns import ROW_COLUMNS, FloatArray, Mask, places_by, sums, total
from portfolio.risk.legs import RiskLeg, named_months, row_of

# Calendar days to expiry, both ends included.
TENORS: tuple[tuple[int, int | None], ...] = (
    (0, 7), (8, 30), (31, 90), (91, 180), (181, 365), (366, None),
)  # fmt: skip
# Gamma of options expiring within these days is shown separately.
NEAR_EXPIRY_DAYS = 7
# A strike further than this from the spot says little about at-the-money volatility.
_FARTHEST_FROM_MONEY = 0.10
_LEG_COLUMNS = (
    "id", "account_id", "symbol", "underlying", "expiry", "strike", "right", "quantity",
    "multiplier", "price", "price_currency", "iv", "model", "greeks_source",
)  # fmt: skip


def groups(
    legs: Sequence[RiskLeg],
    columns: dict[str, FloatArray],
    lacking: Mask,
    *,
    key: Callable[[RiskLeg], Any],
) -> list[tuple[Any, dict[str, Any], FloatArray]]:
    """Return (key, ``Row``, indices) per group, ordered by key; key ``None`` is left out."""
    members = places_by(key(leg) for leg in legs)
    members.pop(None, None)
    places = {name: np.array(members[name]) for name in sorted(members)}
    return [(name, row_of(columns, lacking, chosen), chosen) for name, chosen in places.items()]


def vega_by_tenor(
    legs: Sequence[RiskLeg], columns: Mapping[str, FloatArray]
) -> list[dict[str, Any]]:
    """Return the options' vega by days to expiry; zero for a tenor without legs."""
    # Expired legs still in the book count in the first tenor.
    days = np.array([max(leg.leg.dte or 0, 0) if leg.is_option else -1 for leg in legs])
    rows = []
    for first, last in TENORS:
        chosen = days >= first if last is None else (days >= first) & (days <= last)
        rows.append(
            {
                "tenor": f">{first - 1} d" if last is None else f"{first}–{last} d",
                "from_days": first,
                "to_days": last,
                "vega": total(columns["vega"][chosen]),
                "legs": int(chosen.sum()),
            }
        )
    return rows


def concentration(
    legs: Sequence[RiskLeg], columns: Mapping[str, FloatArray]
) -> list[dict[str, Any]]:
    """Return each underlying's share of gross dollar delta and market value, largest first.

    Gross means absolute values of the legs, so a hedge does not hide what it hedges. Underlyings
    are told apart as their closes and betas are: a share from a future of its name, not the months.
    """
    gross = {name: np.abs(columns[name]) for name in ("dollar_delta", "market_value")}
    whole = {name: total(values) for name, values in gross.items()}

    def share(name: str, chosen: list[int]) -> float | None:
        part, all_of_it = total(gross[name][chosen]), whole[name]
        return None if part is None or not all_of_it else part / all_of_it

    rows = [
        {
            "underlying": underlying,
            "gross_dollar_delta_share": share("dollar_delta", chosen),
            "gross_market_value_share": share("market_value", chosen),
        }
        for underlying, chosen in places_by(leg.leg.history_name for leg in legs).items()
    ]
    return sorted(
        rows, key=lambda row: (-(row["gross_dollar_delta_share"] or 0.0), str(row["underlying"]))
    )


def gamma_near_expiry(legs: Sequence[RiskLeg], columns: Mapping[str, FloatArray]) -> dict[str, Any]:
    """Return the gamma of options expiring within ``NEAR_EXPIRY_DAYS``, total and by underlying."""
    near = [
        index
        for index, leg in enumerate(legs)
        if leg.is_option and leg.leg.dte is not None and leg.leg.dte <= NEAR_EXPIRY_DAYS
    ]
    members: dict[str, list[int]] = {}
    for index in near:
        members.setdefault(legs[index].leg.history_name, []).append(index)

    def gammas(chosen: list[int]) -> dict[str, Any]:
        return sums(columns, ("gamma", "dollar_gamma"), chosen)

    return (
        {"days": NEAR_EXPIRY_DAYS}
        | gammas(near)
        | {
            "by_underlying": [
                {"underlying": name} | gammas(members[name]) | {"legs": len(members[name])}
                for name in sorted(members)
            ]
        }
    )


def expected_moves(
    legs: Sequence[RiskLeg], spots: FloatArray, *, at: datetime
) -> list[dict[str, Any]]:
    """Return one standard deviation to each held expiry, from the volatility nearest the money.

    The volatility is the mean over held options at the strike nearest the spot; ``None``, with the
    reason as source, if that strike is over 10 % away. Expired series have no move.
    """
    members: dict[tuple[str, Any, str], list[int]] = {}
    months = named_months(legs)
    for index, leg in enumerate(legs):
        if leg.is_option and leg.expires_at is not None and leg.expires_at > at:
            refers_to = leg.leg.underlying_key
            name = months.get(refers_to, leg.leg.history_name)
            members.setdefault((name, leg.leg.expiry, refers_to), []).append(index)
    rows = []
    for (underlying, expiry, _), chosen in sorted(members.items()):
        volatility, nearest, source = _at_the_money(legs, spots, chosen)
        # One date may have a morning-settled series and one that settles at the close.
        expires_at, spot = legs[nearest].expires_at, float(spots[nearest])
        move = None
        if volatility is not None and expires_at is not None:
            move = spot * volatility * float(np.sqrt(years_to(expires_at, at)))
        rows.append(
            {
                "underlying": underlying,
                "currency": legs[nearest].leg.currency,
                "expiry": expiry,
                "dte": legs[nearest].leg.dte,
                "implied_volatility": volatility,
                "move": move,
                "move_percent": None if move is None else move / spot * 100,
                "source": source,
            }
        )
    return rows


def _at_the_money(
    legs: Sequence[RiskLeg], spots: FloatArray, chosen: Sequence[int]
) -> tuple[float | None, int, str]:
    """Return (volatility, leg nearest the money, volatility source) of one expiry."""
    usable = [
        (abs(strike / float(spots[index]) - 1.0), strike, index)
        for index in chosen
        if (strike := legs[index].strike) and spots[index] > 0 and legs[index].implied_volatility
    ]
    if not usable:
        return None, chosen[0], "no volatility known"
    distance, strike, index = min(usable)
    if distance > _FARTHEST_FROM_MONEY:
        return None, index, f"nearest strike held, {strike:g}, is {distance:.0%} from the money"
    at_strike = [each for _, other, each in usable if other == strike]
    volatility = float(np.mean([legs[each].implied_volatility or np.nan for each in at_strike]))
    sources = sorted({legs[each].greeks_source or "unknown" for each in at_strike})
    return volatility, index, f"strike {strike:g}, {', '.join(sources)}"


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
