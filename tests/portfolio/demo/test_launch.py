"""What the demo decides before Django loads."""

from __future__ import annotations

import os

import pytest

from auth_tokens.sandbox.upstox.access import ANALYTICS_TOKEN, API_KEY
from auth_tokens.sandbox.upstox.person import MOBILE, PIN, TOTP_SECRET
from config.settings.environment import BASE_DIR
from portfolio.demo.launch import GATEWAY_PORT, SANDBOX_PORT, prepare_demo_environment


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


def test_demo_keeps_its_data_below_the_checkout(environment: dict[str, str]) -> None:
    environment.pop("VAR_DIR", None)
    prepare_demo_environment([])
    assert environment["VAR_DIR"] == str(BASE_DIR / "var" / "demo")


@pytest.mark.parametrize("connection", ["socket", "portal"])
def test_chosen_connection_survives(environment: dict[str, str], connection: str) -> None:
    environment["IBKR_CONNECTION"] = connection
    prepare_demo_environment([])
    assert environment["IBKR_CONNECTION"] == connection


def test_demo_opens_upstox_with_the_analytics_token(environment: dict[str, str]) -> None:
    environment["UPSTOX_PIN"] = "a-real-one"
    prepare_demo_environment([])
    assert environment["UPSTOX_ANALYTICS_TOKEN"] == ANALYTICS_TOKEN
    assert environment["UPSTOX_PIN"] == PIN


def test_demo_logs_in_as_the_sandboxes_person_where_the_browser_is_asked_for(
    environment: dict[str, str],
) -> None:
    environment |= {"UPSTOX_LOGIN": "browser", "UPSTOX_ANALYTICS_TOKEN": "a-real-one"}
    prepare_demo_environment([])
    assert environment["UPSTOX_ANALYTICS_TOKEN"] == ""
    told = {name: environment[f"UPSTOX_{name}"] for name in ("API_KEY", "MOBILE", "TOTP_SECRET")}
    assert told == {"API_KEY": API_KEY, "MOBILE": MOBILE, "TOTP_SECRET": TOTP_SECRET}
