"""A user's saved scenarios, and what one would do to their book."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from config.core.errors import NotFound
from portfolio.models import Scenario
from portfolio.risk.book import read_risk_book, select_accounts
from portfolio.risk.legs import named_months
from portfolio.risk.report import ready_book
from portfolio.risk.scenarios.book import ScenarioBook
from portfolio.risk.scenarios.grid import cell_body, left_out_body

_NO_SHIFT = {"spot": 0.0, "vol": 0.0}


def scenario_body(scenario: Scenario) -> dict[str, Any]:
    return {
        "id": str(scenario.pk),
        "name": scenario.name,
        "shifts": scenario.shifts,
        "days": scenario.days,
    }


def scenarios_of(user: User | AnonymousUser) -> list[dict[str, Any]]:
    """Return the user's scenarios by name. One query."""
    if not isinstance(user, User):
        return []
    return [scenario_body(each) for each in Scenario.objects.filter(owner=user)]


def scenario_for_user(user: User | AnonymousUser, scenario_id: int) -> Scenario:
    """Return one of the user's scenarios; ``NotFound`` whether it is unknown or someone else's."""
    found = None
    # Ids never exceed the column, and SQLite refuses to compare larger numbers.
    if isinstance(user, User) and scenario_id < 2**63:
        found = Scenario.objects.filter(owner=user, pk=scenario_id).first()
    if found is None:
        raise NotFound("No such scenario.")
    return found


def scenario_result(
    *,
    user: User | AnonymousUser,
    scenario_id: int,
    account_id: str | None = None,
    portfolio_id: int | None = None,
) -> dict[str, Any]:
    """Return a saved scenario with ``result``: P&L, each leg's share, and what was left out.

    Raises:
        NotFound: the scenario, account or portfolio does not exist or is not the user's.
    """
    scenario = scenario_for_user(user, scenario_id)
    selection = select_accounts(user=user, account_id=account_id, portfolio_id=portfolio_id)
    book = read_risk_book(selection.accounts, with_closes=False)
    ready = ready_book(book)
    pnl = shifted_pnl(ready, scenario.shifts, days=scenario.days)
    cell = cell_body(ready, pnl, (0.0, 0.0, 0), net_liquidation=book.money("net_liquidation"))
    result = {name: cell[name] for name in ("pnl", "pnl_percent_of_net_liq", "legs")}
    return scenario_body(scenario) | {
        "result": result
        | {
            "left_out": left_out_body(ready.left_out),
            "currency": book.currency,
            "version": selection.version,
            "as_of": selection.as_of,
        }
    }


def shifted_pnl(
    ready: ScenarioBook, shifts: list[Mapping[str, Any]], *, days: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return P&L by leg.

    A shift names an instrument: ``Z``, ``Z:GBP``, ``/ES`` or the month ``/ESZ6``, which is the same
    at each broker. A month without one of its own uses its product's, and a share abroad its plain
    symbol if nothing else in the book has that.
    """
    named = {shift["underlying"]: shift for shift in shifts}
    every = named.get("*", _NO_SHIFT)

    months = named_months(ready.legs)
    names = [
        (months.get(leg.leg.underlying_key, leg.leg.underlying), leg.leg.history_name)
        for leg in ready.legs
    ]
    meant: dict[str, set[str]] = {}
    for plain, full in names:
        meant.setdefault(plain, set()).add(full)

    def shift_of(name: tuple[str, str], axis: str) -> float:
        plain, full = name
        own = named.get(plain) if len(meant[plain]) == 1 else None
        return float((own or named.get(full) or every).get(axis, 0.0))

    factors = 1.0 + np.array([[shift_of(name, "spot") for name in names]]) / 100.0
    vols = np.array([[shift_of(name, "vol") for name in names]]) / 100.0
    return np.asarray(ready.pnl(factors, vols, [days])[0, 0, 0])
