"""Save, change and delete a user's own scenarios."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction

from auth_tokens.models import User
from config.core.errors import Conflict, Forbidden, InvalidInput, invalid
from portfolio.models import Scenario
from portfolio.risk.scenarios.axes import check_value
from portfolio.risk.scenarios.saved import scenario_body, scenario_for_user

MOST_SCENARIOS = 100
MOST_SHIFTS = 50
EVERY = "*"
_FIELDS = {"name", "shifts", "days"}
_SHIFT_FIELDS = {"underlying", "spot", "vol"}
_SYMBOL = re.compile(r"[A-Z0-9/][A-Z0-9.:/_-]{0,31}")


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
