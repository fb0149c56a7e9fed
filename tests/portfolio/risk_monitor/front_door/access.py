"""Who has which access, and how it is given and taken away."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from auth_tokens.api_tokens.writing import create_api_token
from auth_tokens.models import ApiToken, User
from portfolio.models import Account, AccountAccess
from tests.portfolio.door import Answer, Header, run


def accounts_in(answer: Answer) -> set[str]:
    return {row["account_id"] for row in json.loads(answer.body)["accounts"]}


def share(account: Account, user: User) -> AccountAccess:
    return AccountAccess.objects.create(user=user, account=account)


async def token_of(user: User, **values: Any) -> tuple[ApiToken, Header]:
    issued = await run(create_api_token, user=user, name="script", **values)
    return issued.token, (b"authorization", f"Bearer {issued.text}".encode())


def log_out(client: Client, user: User) -> None:
    assert client.post("/accounts/logout").status_code == 302


def deactivate(client: Client, user: User) -> None:
    user.is_active = False
    user.save()


def set_password(client: Client, user: User) -> None:
    user.set_password("another-long-passphrase")
    user.save()


def unshare(account: Account, user: User) -> None:
    AccountAccess.objects.get(account=account, user=user).delete()


def disable(account: Account, user: User) -> None:
    account.enabled = False
    account.save()
