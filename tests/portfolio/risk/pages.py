"""A book on the page of risk, and the page as a reader gets it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.test import Client

from auth_tokens.models import User
from config.core.clock import now
from greeks.domain import InstrumentKind
from portfolio.models import Account
from tests.factories import AccountFactory, AccountStatusFactory, OptionFactory, PositionFactory


def book(owner: User, **values: Any) -> Account:
    """Return an account with one short put and the shares below it."""
    account: Account = AccountFactory.create(owner=owner, last_synced_at=now(), **values)
    AccountStatusFactory.create(account=account)
    expires = now() + timedelta(days=60)
    option = OptionFactory.create(
        symbol=f"SPY   {expires:%y%m%d}P00590000",
        expiry=expires.date(),
        expires_at=expires,
        strike=Decimal(590),
    )
    PositionFactory.create(account=account, instrument=option)
    stock = OptionFactory.create(
        key="stock:SPY" + account.pk,
        kind=InstrumentKind.STOCK.value,
        symbol="SPY",
        expiry=None,
        strike=None,
        right="",
        multiplier=1,
    )
    PositionFactory.create(
        account=account, instrument=stock, quantity=100, price=600, market_value=60000
    )
    return account


def page_of(client: Client, path: str = "/risk", **query: Any) -> str:
    response = client.get(path, query)
    assert response.status_code == 200, response.content
    return response.content.decode()
