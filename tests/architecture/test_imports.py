"""Imports go one way: roots → trades → portfolio → greeks → auth_tokens → config.core."""

from __future__ import annotations

import pytest

from tests.architecture.source import PACKAGES, Import, all_imports, imports_of

LAYERS = {"config.core": 0, "auth_tokens": 1, "greeks": 2, "portfolio": 3, "trades": 4}
ROOT_LAYER = 5
#: Frozen values that every room of an app may use.
VALUES = ("greeks.domain.", "greeks.chains.", "portfolio.domain.")
IMPORTS = all_imports()


def layer(name: str) -> int | None:
    """Return the level of one of our modules; None if it is not ours."""
    package = name.split(".")[0]
    if package not in PACKAGES:
        return None
    if package != "config":
        return LAYERS[package]
    # The schedule is data, as the settings are that hold it.
    if name.startswith(("config.core", "config.schedule")):
        return LAYERS["config.core"]
    return ROOT_LAYER


def is_upward(found: Import) -> bool:
    ours, theirs = layer(found.module), layer(found.target)
    # Settings are read through django.conf; they themselves import values only.
    return ours is not None and theirs is not None and theirs > ours


def in_room(name: str, room: str) -> bool:
    return room in name.split(".")[1:]


def is_task(name: str) -> bool:
    return "tasks" in name.split(".")


def test_imports_go_down_only() -> None:
    assert [str(found) for found in IMPORTS if is_upward(found)] == []


def test_only_composition_imports_tasks() -> None:
    wrong = [
        str(found)
        for found in IMPORTS
        if is_task(found.target)
        and layer(found.target) is not None
        and not is_task(found.module)
        and layer(found.module) != ROOT_LAYER
        and not found.module.endswith(".apps")
    ]
    assert wrong == []


def test_sandbox_is_imported_by_sandboxes_alone() -> None:
    """Product code names the sandbox by dotted strings; its command and registry are its doors."""
    doors = (
        "greeks.management.commands.sandbox",
        "config.core.sandbox.registry",
    )
    wrong = [
        str(found)
        for found in IMPORTS
        if in_room(found.target, "sandbox")
        and not in_room(found.module, "sandbox")
        and found.module not in doors
        and not found.target.startswith("config.core.sandbox.registry")
    ]
    assert wrong == []


def test_models_import_models_and_values_alone() -> None:
    wrong = [
        str(found)
        for found in IMPORTS
        if in_room(found.module, "models")
        and layer(found.target) not in (None, LAYERS["config.core"])
        and not in_room(found.target, "models")
        and not found.target.startswith(VALUES)
    ]
    assert wrong == []


def test_adapters_import_adapters_and_values_alone() -> None:
    """Beside their vendor's protocol: identities and terms of contracts, tokens of the manager."""
    allowed = (
        *VALUES,
        *("portfolio.brokers.", "greeks.providers.", "auth_tokens.broker_tokens."),
        *("greeks.instruments.identity.", "greeks.instruments.occ.", "greeks.indices."),
        *("greeks.instruments.last_trading.", "greeks.instruments.future_terms."),
        *("greeks.instruments.price_units.", "greeks.instruments.fractions."),
    )
    wrong = [
        str(found)
        for found in IMPORTS
        if found.module.startswith(("portfolio.brokers.", "greeks.providers."))
        and layer(found.target) not in (None, LAYERS["config.core"])
        and not f"{found.target}.".startswith(allowed)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "source", "upward"),
    [
        ("config.core.clock", "from portfolio.models import Account", True),
        ("config.core.clock", "def late():\n    import greeks.domain", True),
        ("greeks.domain", "from portfolio import domain", True),
        ("portfolio.risk_monitor.views", "from config.urls import urlpatterns", True),
        ("auth_tokens.account_pages.views", "from ...greeks import domain", True),
        ("portfolio.risk_monitor.views", "from greeks.domain import Contract", False),
        ("config.urls", "from portfolio import urls", False),
        ("config.core.live.hub", "from config.core.clock import now", False),
        ("greeks.domain", "import numpy", False),
    ],
)
def test_direction_is_recognised(module: str, source: str, upward: bool) -> None:
    assert any(is_upward(found) for found in imports_of(module, source)) is upward
