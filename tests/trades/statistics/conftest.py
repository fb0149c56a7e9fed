"""An account and its signed-in owner."""

from __future__ import annotations

import pytest
from django.test import Client

from portfolio.models import Account
from tests.trades.files import account_at


@pytest.fixture
def account() -> Account:
    return account_at("IBKR", "U1")


@pytest.fixture
def client(account: Account) -> Client:
    client = Client()
    client.force_login(account.owner)
    return client
