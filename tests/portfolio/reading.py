"""Reading the API as a trader would: a synced account, and an answer's body."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from auth_tokens.models import User
from config.core.clock import now
from portfolio.models import Account
from tests.factories import AccountFactory, AccountStatusFactory, PositionFactory

FAST = "/api/portfolio/risk-monitor/fast"


def synced_account(owner: User, **values: Any) -> Account:
    account: Account = AccountFactory(owner=owner, last_synced_at=now(), **values)
    AccountStatusFactory(account=account)
    PositionFactory(account=account)
    return account


def read(client: Client, url: str = FAST) -> Any:
    response = client.get(url)
    assert response.status_code == 200, response.content
    return json.loads(response.content)
