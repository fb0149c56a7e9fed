"""The columns risk is summed from: one signed number per leg, × quantity × multiplier.

Units: delta and gamma in units of the underlying (shares); market value, dollar delta, dollar gamma
(change of dollar delta for a 1 % move of the underlying), theta (per calendar day) and vega (per
volatility point) in money; beta-weighted delta in shares of the benchmark, beta-weighted gamma in
shares per 1 of the benchmark. Missing is NaN here and ``None`` in a total: counted and left out,
never taken as zero.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from greeks.domain import InstrumentKind
from greeks.underlyings import history_name, key_of_terms

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

OPTION_KINDS = frozenset({InstrumentKind.OPTION.value, InstrumentKind.FUTURE_OPTION.value})
# A linear instrument has delta 1 by definition; its other Greeks are zero.
LINEAR_KINDS = frozenset(
    {
        InstrumentKind.STOCK.value,
        InstrumentKind.INDEX.value,
        InstrumentKind.FUTURE.value,
        InstrumentKind.CURRENCY.value,
    }
)
MONEY_COLUMNS = (
    "market_value", "unrealized_pnl", "daily_change", "dollar_delta", "dollar_gamma", "theta",
    "vega",
)  # fmt: skip
#: What every row of the risk report sums.
ROW_COLUMNS = (
    "market_value", "delta", "dollar_delta", "beta_weighted_delta", "gamma", "dollar_gamma",
    "beta_weighted_gamma", "theta", "vega",
)  # fmt: skip
#: In units of the underlying: of several underlyings they are not added.
UNIT_COLUMNS = frozenset({"delta", "gamma"})
_GREEKS = ("delta", "gamma", "theta", "vega")


class Leg(NamedTuple):
    """A position's fields for the totals. Greeks are per unit of the underlying, float64.

    ``stored_key`` is the identity of the future an option delivers, where a provider names it.
    """

    underlying: str
    instrument_type: str
    currency: str
    quantity: float
    multiplier: float
    price: float | None
    market_value: float | None
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    underlying_price: float | None = None
    unrealized_pnl: float | None = None
    daily_change: float | None = None
    expiry: date | None = None
    dte: int | None = None
    stored_key: str = ""

    @property
    def underlying_key(self) -> str:
        """The instrument that price and Greeks refer to (``greeks.underlyings``)."""
        return self.stored_key or key_of_terms(
            kind=self.instrument_type,
            underlying=self.underlying,
            currency=self.currency,
            expiry=self.expiry,
            multiplier=self.multiplier,
        )

    @property
    def history_name(self) -> str:
        """The name of the underlying's closes, beta and row in a total: ``/ES`` for every month."""
        return history_name(
            kind=self.instrument_type, underlying=self.underlying, currency=self.currency
        )


class Money(NamedTuple):
    """An account summary's fields for the totals."""

    currency: str
    net_liquidation: Decimal | None
    maint_margin: Decimal | None


class BetaWeights(NamedTuple):
    """A benchmark, its price in the totals' currency, and betas to it by ``history_name``."""

    benchmark: str
    price: float | None
    betas: Mapping[str, float]

    def beta(self, leg: Leg) -> float | None:
        """Return the beta of the leg's underlying; the benchmark has 1."""
        name = leg.history_name
        if name == self.benchmark:
            return 1.0
        return self.betas.get(name)


NO_WEIGHTS = BetaWeights("", None, {})


def column(values: Iterable[float | None]) -> FloatArray:
    """Return float64 numbers, NaN where missing."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def leg_columns(
    legs: Sequence[Leg], *, spots: Mapping[str, float] | None = None
) -> dict[str, FloatArray]:
    """Return the legs' numbers in their own currencies. ``spots`` fill in unknown prices."""
    size = column(leg.quantity * leg.multiplier for leg in legs)
    linear = np.array([leg.instrument_type in LINEAR_KINDS for leg in legs], dtype=bool)

    def greek(name: str, linear_value: float) -> FloatArray:
        raw = column(getattr(leg, name) for leg in legs)
        return np.where(linear, linear_value, raw) * size

    spot = leg_spots(legs, spots=spots)
    delta, gamma = greek("delta", 1.0), greek("gamma", 0.0)
    return {
        "market_value": column(leg.market_value for leg in legs),
        "unrealized_pnl": column(leg.unrealized_pnl for leg in legs),
        "daily_change": column(leg.daily_change for leg in legs),
        "delta": delta,
        "dollar_delta": delta * spot,
        "gamma": gamma,
        # Linear legs have no gamma, whether or not the price is known.
        "dollar_gamma": np.where(linear, 0.0, gamma * spot * spot / 100.0),
        "theta": greek("theta", 0.0),
        "vega": greek("vega", 0.0),
    }


def leg_spots(legs: Sequence[Leg], *, spots: Mapping[str, float] | None = None) -> FloatArray:
    """Return the price each leg's Greeks refer to: its own, that of its Greeks, or a sibling's.

    ``spots`` are by ``underlying_key``, here and below.
    """
    known = book_spots(legs, spots or {})
    return column(
        leg.price
        if leg.instrument_type in LINEAR_KINDS
        # Treat a zero spot as missing.
        else leg.underlying_price or known.get(leg.underlying_key)
        for leg in legs
    )


def book_spots(legs: Sequence[Leg], spots: Mapping[str, float]) -> dict[str, float]:
    """Return prices of underlyings: the held one's, else that of an option on it, else ``spots``.

    The same for scenarios, reports and what-ifs.
    """
    found = dict(spots)
    for leg in legs:
        if leg.instrument_type in OPTION_KINDS and leg.underlying_price:
            found[leg.underlying_key] = leg.underlying_price
    for leg in legs:
        if leg.instrument_type in LINEAR_KINDS and leg.price:
            found[leg.underlying_key] = leg.price
    return found


def convert(
    columns: Mapping[str, FloatArray],
    legs: Sequence[Leg],
    *,
    currency: str,
    rates: Mapping[str, float],
    weights: BetaWeights = NO_WEIGHTS,
) -> dict[str, FloatArray]:
    """Return the columns in ``currency``, weighted by beta as well; NaN without a rate.

    ``underlying`` is a number for each underlying, the months of a future together.
    """
    known = {currency: 1.0} | dict(rates)
    scale = column(known.get(leg.currency) for leg in legs)
    names = {leg.history_name: number for number, leg in enumerate(legs)}
    beta = column(weights.beta(leg) for leg in legs)
    price = weights.price if weights.price else np.nan
    converted = {name: columns[name] * scale for name in MONEY_COLUMNS}
    return converted | {
        "delta": columns["delta"],
        "gamma": columns["gamma"],
        "beta": beta,
        "beta_weighted_delta": converted["dollar_delta"] * beta / price,
        # A spot moves by its beta for each percent of the benchmark, so gamma by its square.
        "beta_weighted_gamma": converted["dollar_gamma"] * 100.0 * (beta / price) ** 2,
        "underlying": column(names[leg.history_name] for leg in legs),
    }


def without_greeks(legs: Sequence[Leg], columns: Mapping[str, FloatArray]) -> Mask:
    """Mark the options that lack any of the four Greeks."""
    options = np.array([leg.instrument_type in OPTION_KINDS for leg in legs], dtype=bool)
    missing: Mask = np.any([np.isnan(columns[name]) for name in _GREEKS], axis=0)
    return options & missing


def places_by(keys: Iterable[Hashable]) -> dict[Any, list[int]]:
    """Return where each key stands, in the order in which they come."""
    places: dict[Any, list[int]] = {}
    for index, key in enumerate(keys):
        places.setdefault(key, []).append(index)
    return places


def total(values: FloatArray) -> float | None:
    """Sum the known values; 0 without legs, ``None`` if every leg is missing."""
    known = values[~np.isnan(values)]
    if known.size == 0:
        return 0.0 if values.size == 0 else None
    return float(known.sum())


def sums(
    columns: Mapping[str, FloatArray], names: Iterable[str], chosen: Any = slice(None)
) -> dict[str, float | None]:
    """Return totals of the legs at ``chosen`` (a NumPy index).

    Delta and gamma count units of the underlying: ``None`` over several underlyings.
    """
    is_mixed = np.unique(columns["underlying"][chosen]).size > 1
    return {
        name: None if is_mixed and name in UNIT_COLUMNS else total(columns[name][chosen])
        for name in names
    }


def ratio(part: float | Decimal | None, whole: float | Decimal | None) -> float | None:
    """Divide; ``None`` if either is missing or ``whole`` is not positive."""
    if part is None or whole is None or whole <= 0:
        return None
    return float(part) / float(whole)


def sum_accounts(
    accounts: Sequence[Money], field: str, *, currency: str, rates: Mapping[str, float]
) -> Decimal | None:
    """Sum over accounts; ``None`` if any account lacks it."""
    found = Decimal(0)
    for account in accounts:
        value: Decimal | None = getattr(account, field)
        if value is None:
            return None
        if account.currency != currency:
            rate = rates.get(account.currency)
            if rate is None:
                return None
            value = (value * Decimal(repr(rate))).quantize(Decimal("0.01"))
        found += value
    return found if accounts else None
