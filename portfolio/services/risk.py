"""Risk of a book: signed leg Greeks × quantity × multiplier, in one vectorised pass.

Units of the totals: delta and gamma in units of the underlying (shares), dollar delta, theta (per
calendar day) and vega (per volatility point) in the totals' currency. A leg whose number is
missing is counted and left out; it is never taken as zero. A total is ``None`` when there are
legs and none of them has the number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from greeks.domain import InstrumentKind

FloatArray = NDArray[np.float64]

OPTION_KINDS = frozenset({InstrumentKind.OPTION.value, InstrumentKind.FUTURE_OPTION.value})
# Delta of a linear instrument is one by definition, its other Greeks are nought.
LINEAR_KINDS = frozenset(
    {
        InstrumentKind.STOCK.value,
        InstrumentKind.INDEX.value,
        InstrumentKind.FUTURE.value,
        InstrumentKind.CURRENCY.value,
    }
)
MONEY_COLUMNS = ("market_value", "daily_change", "dollar_delta", "theta", "vega")
UNIT_COLUMNS = ("delta", "gamma")


class Leg(NamedTuple):
    """What the totals need of one position. Greeks are per unit of the underlying, float64."""

    underlying: str
    instrument_type: str
    expiry: date | None
    dte: int | None
    currency: str
    quantity: float
    multiplier: float
    price: float | None
    market_value: float | None
    unrealized_pnl: float | None
    daily_change: float | None
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    underlying_price: float | None


class Money(NamedTuple):
    """What the totals need of one account's summary."""

    currency: str
    net_liquidation: Decimal | None
    maint_margin: Decimal | None


def book_totals(
    *,
    legs: Sequence[Leg],
    accounts: Sequence[Money],
    currency: str,
    rates: Mapping[str, float],
) -> dict[str, Any]:
    """Totals of a book in ``currency``, whole, by underlying and by expiry.

    ``rates`` gives units of ``currency`` for one unit of another. Legs in a currency without a
    rate keep their units in delta and gamma, but their money stays apart under ``by_currency``.
    """
    columns = _leg_columns(legs)
    known = {currency: 1.0} | dict(rates)
    scale = _column(known.get(leg.currency) for leg in legs)
    named = {leg.currency for leg in legs} | {account.currency for account in accounts}
    unconverted = sorted(name for name in named if name not in known)
    converted = {name: columns[name] * scale for name in MONEY_COLUMNS}
    converted["unrealized_pnl"] = columns["unrealized_pnl"] * scale
    values = converted | {name: columns[name] for name in UNIT_COLUMNS}
    options = np.array([leg.instrument_type in OPTION_KINDS for leg in legs], dtype=bool)
    without_greeks = options & _any_missing(columns, ("delta", "gamma", "theta", "vega"))

    net_liquidation = _sum_accounts(accounts, "net_liquidation", currency=currency, rates=rates)
    maint_margin = _sum_accounts(accounts, "maint_margin", currency=currency, rates=rates)
    theta = _total(values["theta"])
    daily_change = _total(values["daily_change"])
    return {
        "currency": currency,
        "net_liquidation": net_liquidation,
        "maint_margin": maint_margin,
        "market_value": _total(values["market_value"]),
        "unrealized_pnl": _total(values["unrealized_pnl"]),
        "daily_change": daily_change,
        "daily_change_percent": _percent_of_opening(values["market_value"], values["daily_change"]),
        "delta": _total(values["delta"]),
        "dollar_delta": _total(values["dollar_delta"]),
        "beta_weighted_delta": None,
        "gamma": _total(values["gamma"]),
        "theta": theta,
        "vega": _total(values["vega"]),
        "theta_to_net_liq": _ratio(theta, net_liquidation),
        "margin_use": _ratio(maint_margin, net_liquidation),
        "legs": len(legs),
        "legs_without_greeks": int(without_greeks.sum()),
        "legs_without_daily_change": int(np.isnan(columns["daily_change"]).sum()),
        "legs_without_dollar_delta": int(np.isnan(columns["dollar_delta"]).sum()),
        "unconverted": unconverted,
        "by_currency": _apart(legs, columns, unconverted),
        "by_underlying": _grouped(
            legs,
            values,
            key=lambda leg: leg.underlying,
            describe=lambda leg: {"underlying": leg.underlying},
            without_greeks=without_greeks,
        ),
        "by_expiry": _grouped(
            [leg for leg in legs if leg.expiry is not None],
            {name: column[_has_expiry(legs)] for name, column in values.items()},
            key=lambda leg: leg.expiry,
            describe=lambda leg: {"expiry": leg.expiry, "dte": leg.dte},
            without_greeks=without_greeks[_has_expiry(legs)],
        ),
    }


def _has_expiry(legs: Sequence[Leg]) -> NDArray[np.bool_]:
    return np.array([leg.expiry is not None for leg in legs], dtype=bool)


def _column(values: Iterable[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _leg_columns(legs: Sequence[Leg]) -> dict[str, FloatArray]:
    size = _column(leg.quantity * leg.multiplier for leg in legs)
    linear = np.array([leg.instrument_type in LINEAR_KINDS for leg in legs], dtype=bool)

    def greek(name: str, linear_value: float) -> FloatArray:
        raw = _column(getattr(leg, name) for leg in legs)
        return np.where(linear, linear_value, raw) * size

    spots = _underlying_prices(legs)
    spot = _column(
        leg.price
        if leg.instrument_type in LINEAR_KINDS
        else (
            leg.underlying_price if leg.underlying_price is not None else spots.get(leg.underlying)
        )
        for leg in legs
    )
    delta = greek("delta", 1.0)
    return {
        "market_value": _column(leg.market_value for leg in legs),
        "unrealized_pnl": _column(leg.unrealized_pnl for leg in legs),
        "daily_change": _column(leg.daily_change for leg in legs),
        "delta": delta,
        "dollar_delta": delta * spot,
        "gamma": greek("gamma", 0.0),
        "theta": greek("theta", 0.0),
        "vega": greek("vega", 0.0),
    }


def _underlying_prices(legs: Sequence[Leg]) -> dict[str, float]:
    """The underlying's price as any leg of it knows it; the underlying itself knows best."""
    known = {leg.underlying: leg.underlying_price for leg in legs if leg.underlying_price}
    known |= {
        leg.underlying: leg.price
        for leg in legs
        if leg.instrument_type == InstrumentKind.STOCK.value and leg.price
    }
    return {name: price for name, price in known.items() if price is not None}


def _any_missing(columns: Mapping[str, FloatArray], names: Sequence[str]) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = np.any([np.isnan(columns[name]) for name in names], axis=0)
    return missing


def _total(column: FloatArray) -> float | None:
    """The sum of what is known; 0 for no legs at all, ``None`` when every leg is missing."""
    known = column[~np.isnan(column)]
    if known.size == 0:
        return 0.0 if column.size == 0 else None
    return float(known.sum())


def _percent_of_opening(market_value: FloatArray, daily_change: FloatArray) -> float | None:
    both = ~np.isnan(market_value) & ~np.isnan(daily_change)
    opening = float(np.abs(market_value[both] - daily_change[both]).sum())
    if not opening:
        return None
    return float(daily_change[both].sum()) / opening * 100


def _ratio(part: float | Decimal | None, whole: Decimal | None) -> float | None:
    if part is None or whole is None or whole == 0:
        return None
    return float(part) / float(whole)


def _sum_accounts(
    accounts: Sequence[Money], field: str, *, currency: str, rates: Mapping[str, float]
) -> Decimal | None:
    """The sum over accounts; ``None`` when any account lacks it: a part is not the whole."""
    total = Decimal(0)
    for account in accounts:
        value: Decimal | None = getattr(account, field)
        if value is None:
            return None
        if account.currency != currency:
            rate = rates.get(account.currency)
            if rate is None:
                return None
            value = (value * Decimal(repr(rate))).quantize(Decimal("0.01"))
        total += value
    return total if accounts else None


def _apart(
    legs: Sequence[Leg], columns: Mapping[str, FloatArray], unconverted: Sequence[str]
) -> list[dict[str, Any]]:
    rows = []
    for name in unconverted:
        mine = np.array([leg.currency == name for leg in legs], dtype=bool)
        rows.append(
            {"currency": name, "legs": int(mine.sum())}
            | {column: _total(columns[column][mine]) for column in MONEY_COLUMNS}
        )
    return rows


def _grouped(
    legs: Sequence[Leg],
    values: Mapping[str, FloatArray],
    *,
    key: Callable[[Leg], Any],
    describe: Callable[[Leg], dict[str, Any]],
    without_greeks: NDArray[np.bool_],
) -> list[dict[str, Any]]:
    members: dict[Any, list[int]] = {}
    for index, leg in enumerate(legs):
        members.setdefault(key(leg), []).append(index)
    rows = []
    for name in sorted(members):
        chosen = np.array(members[name])
        rows.append(
            describe(legs[members[name][0]])
            | {"legs": len(chosen), "legs_without_greeks": int(without_greeks[chosen].sum())}
            | {
                column: _total(values[column][chosen])
                for column in (
                    "market_value",
                    "daily_change",
                    "dollar_delta",
                    "delta",
                    "gamma",
                    "theta",
                    "vega",
                )
            }
        )
    return rows
