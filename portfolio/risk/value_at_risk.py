"""Value at risk and expected shortfall of a book over one trading day, by two methods.

Parametric: the exact distribution of delta-gamma (Hull, *Options, Futures, and Other Derivatives*,
ch. 22 "Quadratic model"). Returns x are normal with zero mean and the covariance Σ of the daily log
returns; ΔP = δᵀx + xᵀBx with dollar deltas δ and B = ½·diag(Γ·S²).

Scenario: the book is fully revalued for each past day, each underlying moved by its own return that
day, volatilities and time unchanged.

Both are losses as positive numbers, never below zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from portfolio.betas.returns import LEAST_OBSERVATIONS, Closes, JointReturns, joint_returns
from portfolio.exposure.columns import FloatArray, Mask
from portfolio.risk.delta_gamma import CONFIDENCES, quadratic_quantiles
from portfolio.risk.legs import RiskLeg
from portfolio.risk.scenarios.book import ScenarioBook

HORIZON_DAYS = 1
_PARAMETRIC = (
    "Delta-gamma (Hull, ch. 22), its exact distribution for normal returns with the covariance of "
    "the daily log returns; zero mean; Greeks as reported; time and volatility unmoved."
)
_SCENARIO = (
    "Full revaluation for the returns of each past day, all underlyings together; time and "
    "volatility unmoved; the worst days' losses, each day of equal weight."
)


def value_at_risk(
    *,
    legs: Sequence[RiskLeg],
    columns: Mapping[str, FloatArray],
    ready: ScenarioBook | None,
    closes: Mapping[str, Closes],
) -> dict[str, Any]:
    """Return a report's ``value_at_risk``; a method that fails is ``None`` with a reason.

    ``columns`` belong to ``legs``, in one currency. Without ``ready`` no scenarios are run.
    """
    wanted = {leg.leg.history_name for leg in legs}
    joint = joint_returns(closes, wanted)
    body: dict[str, Any] = {
        "horizon_days": HORIZON_DAYS,
        "confidences": list(CONFIDENCES),
        "parametric": None,
        "scenario": None,
        "observations": 0 if joint is None else len(joint.values),
        "from": None if joint is None else joint.first,
        "to": None if joint is None else joint.last,
        "left_out": sorted(wanted) if joint is None else list(joint.left_out),
        "method": {"parametric": _PARAMETRIC, "scenario": _SCENARIO},
    }
    if joint is None:
        reason = (
            f"None: an underlying needs {LEAST_OBSERVATIONS + 1} daily closes."
            if wanted
            else "None: nothing is held."
        )
        return body | {"method": {"parametric": reason, "scenario": reason}}
    body["parametric"] = parametric(legs, columns, joint)
    lacking = int((~_has_both(columns)).sum())
    if body["parametric"] is None:
        body["method"]["parametric"] = (
            "None: no leg of these underlyings has a dollar delta and gamma."
        )
    elif lacking:
        body["method"]["parametric"] += f" Left out: legs without dollar delta or gamma, {lacking}."
    if ready is not None:
        body["scenario"] = scenario(ready, joint)
        if body["scenario"] is None:
            body["method"]["scenario"] = "None: no leg of these underlyings can be revalued."
    return body


def left_out_of_risk(closes: Mapping[str, Closes], legs: Sequence[RiskLeg]) -> tuple[str, ...]:
    """Return the underlyings that no method counts: too few of their days are known."""
    wanted = {leg.leg.history_name for leg in legs}
    joint = joint_returns(closes, wanted)
    return tuple(sorted(wanted)) if joint is None else joint.left_out


def parametric(
    legs: Sequence[RiskLeg], columns: Mapping[str, FloatArray], joint: JointReturns
) -> list[dict[str, float]] | None:
    """Return VaR and ES by confidence from dollar deltas and gammas."""
    place = {name: index for index, name in enumerate(joint.symbols)}
    where = np.array([place.get(leg.leg.history_name, -1) for leg in legs])
    usable = (where >= 0) & _has_both(columns)
    if not usable.any():
        return None
    size = len(place)
    bends = columns["dollar_gamma"][usable]
    delta: FloatArray = np.bincount(
        where[usable], columns["dollar_delta"][usable], minlength=size
    ).astype(np.float64)
    # Dollar gamma is per 1 %: Γ·S² is a hundred times that.
    quadratic = 50.0 * np.bincount(where[usable], bends, minlength=size).astype(np.float64)
    covariance = np.atleast_2d(np.cov(joint.values, rowvar=False))
    return quadratic_quantiles(delta, quadratic, covariance)


def _has_both(columns: Mapping[str, FloatArray]) -> Mask:
    """Mark the legs whose dollar delta and dollar gamma are known."""
    known: Mask = np.isfinite(columns["dollar_delta"]) & np.isfinite(columns["dollar_gamma"])
    return known


def scenario(ready: ScenarioBook, joint: JointReturns) -> list[dict[str, float]] | None:
    """Return VaR and ES by confidence from the book's P&L on each past day."""
    pnl = past_days_pnl(ready, joint)
    if pnl is None or not np.isfinite(pnl).all():
        return None
    losses = np.sort(-pnl)[::-1]
    rows = []
    for confidence in CONFIDENCES:
        count = max(1, int(np.ceil((1.0 - confidence) * len(losses) - 1e-9)))
        rows.append(
            {
                "confidence": confidence,
                "var": max(0.0, float(losses[count - 1])),
                "expected_shortfall": max(0.0, float(losses[:count].mean())),
            }
        )
    return rows


def past_days_pnl(ready: ScenarioBook, joint: JointReturns) -> FloatArray | None:
    """Return P&L of the book for the joint returns of each day: (days,)."""
    place = {name: index for index, name in enumerate(joint.symbols)}
    where = np.array([place.get(leg.leg.history_name, -1) for leg in ready.legs])
    if not (where >= 0).any():
        return None
    # Underlyings without a history come last and do not move.
    moves = np.column_stack([joint.values, np.zeros(len(joint.values))])
    total: FloatArray = ready.pnl(np.exp(moves[:, where]), [0.0], [0.0])[0, 0].sum(axis=-1)
    return total
