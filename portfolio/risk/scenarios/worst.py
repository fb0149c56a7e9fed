"""The worst cell of the accounts' kept grids: a sum, without revaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from portfolio.exposure.currencies import rates_into
from portfolio.models import Account, ScenarioGrid
from portfolio.risk.scenarios.grid import extreme_cell


def worst_cell_of(accounts: Sequence[Account], currency: str) -> dict[str, Any] | None:
    """Return ``{spot, vol, days, pnl, as_of, version, left_out}`` of the accounts' summed grids.

    ``None`` unless every account has a grid on the same axes that can be converted, and if no leg
    could be valued. ``version`` is the sum of the grids' book versions, ``as_of`` the oldest one's.
    One query, none if ``scenario_grid`` was selected with the accounts; one more for rates if a
    grid is in another currency.
    """
    if not accounts:
        return None
    grids = _grids_of(accounts)
    if len(grids) != len(accounts) or any(grid.axes != grids[0].axes for grid in grids):
        return None
    rates = rates_into(currency, {grid.currency for grid in grids})
    total: Any = 0.0
    for grid in grids:
        rate = 1.0 if grid.currency == currency else rates.get(grid.currency)
        if rate is None:
            return None
        total = total + np.asarray(grid.pnl, dtype=np.float64) * rate
    left_out = sum(grid.left_out for grid in grids)
    if left_out and not total.any():
        return None
    day, vol, spot = extreme_cell(total, worst=True)
    axes = grids[0].axes
    return {
        "spot": axes["spot"][spot],
        "vol": axes["vol"][vol],
        "days": axes["days"][day],
        "pnl": float(total[day, vol, spot]),
        "as_of": min(grid.as_of for grid in grids),
        "version": sum(grid.book_version for grid in grids),
        "left_out": left_out,
    }


def _grids_of(accounts: Sequence[Account]) -> list[ScenarioGrid]:
    name = "scenario_grid"
    if all(name in account._state.fields_cache for account in accounts):
        found = [account._state.fields_cache[name] for account in accounts]
        return [grid for grid in found if grid is not None]
    return list(
        ScenarioGrid.objects.filter(account__in=[account.account_id for account in accounts])
    )
