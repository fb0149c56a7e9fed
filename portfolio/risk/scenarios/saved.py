"""A user's saved scenarios: kept, changed, deleted, and what one would do to their book."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction

from auth_tokens.models import User
from config.core.errors import Conflict, Forbidden, InvalidInput, NotFound, invalid
from portfolio.models import Scenario
from portfolio.risk.book import read_risk_book, select_accounts
from portfolio.risk.legs import named_months
from portfolio.risk.report import ready_book
from portfolio.risk.scenarios.axes import check_value
from portfolio.risk.scenarios.book import ScenarioBook
from portfolio.risk.scenarios.grid import cell_body, left_out_body

MOST_SCENARIOS = 100
MOST_SHIFTS = 50
EVERY = "*"
_FIELDS = {"name", "shifts", "days"}
_SHIFT_FIELDS = {"underlying", "spot", "vol"}
_SYMBOL = re.compile(r"[A-Z0-9/][A-Z0-9.:/_-]{0,31}")
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


def create_scenario(*, user: User | AnonymousUser, values: Any) -> dict[str, Any]:
    """Save a new scenario ``{"name", "shifts": [{"underlying", "spot"?, "vol"?}], "days"?}``.

    Raises:
        InvalidInput: names the field.
        Conflict: the user already has that name, or too many scenarios.
    """
    if not isinstance(user, User):
        raise Forbidden("Scenarios are kept for users.")
    checked = checked_scenario(values)
    with transaction.atomic():
        # Lock the user's row, so two requests cannot both be the last that fits.
        User.objects.select_for_update().get(pk=user.pk)
        if Scenario.objects.filter(owner=user).count() >= MOST_SCENARIOS:
            raise Conflict(f"At most {MOST_SCENARIOS} scenarios are kept: delete one first.")
        return scenario_body(_save(Scenario(owner=user, **checked)))


def update_scenario(*, user: User | AnonymousUser, scenario_id: int, values: Any) -> dict[str, Any]:
    """Replace one of the user's scenarios entirely.

    Raises:
        InvalidInput: names the field.
        Conflict: another of theirs has the name.
        NotFound: it does not exist or is not theirs.
    """
    scenario = scenario_for_user(user, scenario_id)
    for name, value in checked_scenario(values).items():
        setattr(scenario, name, value)
    return scenario_body(_save(scenario))


def delete_scenario(*, user: User | AnonymousUser, scenario_id: int) -> None:
    """Delete one of the user's scenarios. Raises ``NotFound`` as above."""
    scenario_for_user(user, scenario_id).delete()


def _save(scenario: Scenario) -> Scenario:
    try:
        with transaction.atomic():
            scenario.save()
    except IntegrityError:
        problem = "You already have a scenario with that name."
        raise Conflict(problem, fields={"name": problem}) from None
    return scenario


def checked_scenario(values: Any) -> dict[str, Any]:
    """Validate and complete name, shifts and days. Raises ``InvalidInput`` naming the field."""
    if not isinstance(values, Mapping):
        raise InvalidInput("Expected an object.")
    _refuse_unknown(values, _FIELDS, "")
    name = values.get("name")
    if not isinstance(name, str) or not name.strip():
        raise invalid("name", "Missing.")
    name = name.strip()
    if len(name) > 64 or not name.isprintable():
        raise invalid("name", "Expected at most 64 printable characters.")
    days = check_value("days", "days", _number("days", values.get("days", 0)))
    shifts = values.get("shifts")
    if not isinstance(shifts, Sequence) or isinstance(shifts, str) or not shifts:
        raise invalid("shifts", "Expected a list with at least one shift.")
    if len(shifts) > MOST_SHIFTS:
        raise invalid("shifts", f"At most {MOST_SHIFTS} shifts are allowed.")
    checked: list[dict[str, Any]] = []
    for index, shift in enumerate(shifts):
        checked.append(_checked_shift(f"shifts.{index}", shift))
        if checked[-1]["underlying"] in {each["underlying"] for each in checked[:-1]}:
            raise invalid(f"shifts.{index}.underlying", "Named more than once.")
    return {"name": name, "shifts": checked, "days": int(days)}


def _checked_shift(path: str, shift: Any) -> dict[str, Any]:
    if not isinstance(shift, Mapping):
        raise invalid(path, "Expected an object.")
    _refuse_unknown(shift, _SHIFT_FIELDS, f"{path}.")
    underlying = shift.get("underlying")
    if not isinstance(underlying, str) or not underlying.strip():
        raise invalid(f"{path}.underlying", "Missing.")
    underlying = underlying.strip().upper()
    if underlying != EVERY and not _SYMBOL.fullmatch(underlying):
        raise invalid(f"{path}.underlying", "Expected a symbol, or * for all.")
    return {"underlying": underlying} | {
        axis: check_value(f"{path}.{axis}", axis, _number(f"{path}.{axis}", shift.get(axis, 0)))
        for axis in ("spot", "vol")
    }


def _number(field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid(field, "Expected a number.")
    try:
        return float(value)
    except OverflowError:
        raise invalid(field, "Out of range.") from None


def _refuse_unknown(values: Mapping[Any, Any], known: set[str], prefix: str) -> None:
    for name in values:
        if name not in known:
            shown = re.sub(r"[^\w.-]", "?", str(name), flags=re.ASCII)[:40] or "?"
            raise invalid(
                f"{prefix}{shown}", "Not a field here. Known: " + ", ".join(sorted(known))
            )
