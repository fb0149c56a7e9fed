"""What the demo decides before Django loads."""

from __future__ import annotations

import os

import pytest

from portfolio.launch import GATEWAY_PORT, SANDBOX_PORT, prepare_demo_environment


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A copy of the environment that the preparation may change."""
    changed = dict(os.environ)
    monkeypatch.setattr(os, "environ", changed)
    return changed


def test_demo_goes_to_its_own_gateway_whatever_was_set(environment: dict[str, str]) -> None:
    environment |= {"IBKR_SOCKET_HOST": "gateway.example", "IBKR_SOCKET_PORT": "4001"}
    prepare_demo_environment([])
    assert environment["IBKR_SOCKET_HOST"] == "127.0.0.1"
    assert environment[GATEWAY_PORT] not in ("4001", environment[SANDBOX_PORT])


@pytest.mark.parametrize("connection", ["socket", "portal"])
def test_chosen_connection_survives(environment: dict[str, str], connection: str) -> None:
    environment["IBKR_CONNECTION"] = connection
    prepare_demo_environment([])
    assert environment["IBKR_CONNECTION"] == connection
