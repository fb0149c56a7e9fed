"""``manage.py add_account`` against the simulated brokers' real protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from config.core.sandbox.server import Sandbox
from portfolio.models import Account
from tests.architecture.source import ROOT
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.database, pytest.mark.any_database]


@pytest.fixture
def _brokers(sandbox: Sandbox, settings: Settings) -> None:
    settings.IBKR_PORTAL_URL = sandbox.url("ibkr_portal")
    settings.TASTYTRADE_URL = sandbox.url("tastytrade")
    settings.TASTYTRADE_CLIENT_SECRET = "simulated-client-secret"
    settings.TASTYTRADE_REFRESH_TOKEN = "simulated-refresh-token"


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("add_account", *arguments, stdout=out)
    return out.getvalue()


def listed(broker: str) -> list[dict[str, Any]]:
    accounts: list[dict[str, Any]] = json.loads(run("--broker", broker, "--list", "--json"))
    return accounts


@pytest.mark.usefixtures("_brokers")
@pytest.mark.parametrize("broker", ["IBKR", "TASTY"])
def test_account_that_the_broker_lists_can_be_connected(broker: str) -> None:
    owner = UserFactory(username="ann")
    offered = listed(broker)
    assert [account["connected"] for account in offered] == [False]
    number = offered[0]["account_number"]
    text = run("--broker", broker, "--number", number, "--owner", "ann", "--label", "Main")
    assert f"Account {number} of ann is connected" in text
    account = Account.objects.get()
    assert (account.broker, account.account_number, account.label) == (broker, number, "Main")
    assert (account.owner, account.base_currency) == (owner, offered[0]["base_currency"])
    assert [account["connected"] for account in listed(broker)] == [True]
    assert f"{number}\t{account.base_currency}" in run("--broker", broker, "--list")


def test_broker_that_does_not_answer_is_said_in_one_line() -> None:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"}
    environment["IBKR_PORTAL_URL"] = "http://127.0.0.1:9/v1/api"
    asked = subprocess.run(
        [sys.executable, "manage.py", "add_account", "--broker", "IBKR", "--list"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (asked.returncode, asked.stdout) == (1, "")
    assert asked.stderr.splitlines() == [
        "CommandError: The accounts at IBKR could not be read: ibkr_portal POST /tickle: no answer "
        "(ConnectError). Check its settings, or add the account with --unchecked."
    ]


@pytest.mark.usefixtures("_brokers")
def test_number_that_the_broker_does_not_list_is_refused_with_those_it_does() -> None:
    UserFactory(username="ann")
    number = listed("IBKR")[0]["account_number"]
    with pytest.raises(CommandError, match=f"cannot read U0; they can read: {number}"):
        run("--broker", "IBKR", "--number", "U0", "--owner", "ann")
    assert not Account.objects.exists()


def test_unchecked_account_is_connected_while_the_broker_is_away(settings: Settings) -> None:
    UserFactory(username="ann")
    settings.IBKR_PORTAL_URL = "http://127.0.0.1:9/v1/api"
    with pytest.raises(CommandError, match="could not be read"):
        run("--broker", "IBKR", "--number", "U7", "--owner", "ann")
    run("--broker", "IBKR", "--number", "U7", "--owner", "ann", "--unchecked", "--json")
    assert Account.objects.get().account_id == "U7"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--number", "U7"], "--owner"),
        (["--owner", "ann"], "--number"),
        (["--number", "U7", "--owner", "nobody", "--unchecked"], "No user is named nobody"),
        (["--number", "U 7", "--owner", "ann", "--unchecked"], "account_number"),
    ],
)
def test_impossible_request_is_refused_in_one_line(arguments: list[str], message: str) -> None:
    UserFactory(username="ann")
    with pytest.raises(CommandError, match=message):
        run("--broker", "IBKR", *arguments)
    assert not Account.objects.exists()


def test_account_is_not_connected_twice() -> None:
    UserFactory(username="ann")
    run("--broker", "IBKR", "--number", "U7", "--owner", "ann", "--unchecked")
    with pytest.raises(CommandError, match="already connected"):
        run("--broker", "IBKR", "--number", "U7", "--owner", "ann", "--unchecked")
