"""The accounts of whoever asks, found once a reading, and whose cached answer they get.

Users who see the same accounts share an answer. Its key and its content are of the same accounts,
also if the access changes meanwhile.
"""

from __future__ import annotations

from typing import Any

from config.core.caching.keys import scope_of_accounts
from config.core.one_reading import once
from portfolio.accounts.access import accounts_visible_to, no_such_account
from portfolio.models import Account


def accounts_in_view(user: Any) -> tuple[Account, ...]:
    """Return the accounts the user may see, by id, with their status. One query a reading."""
    return once(
        ("accounts_in_view", user.pk),
        lambda: tuple(accounts_visible_to(user).order_by("pk").select_related("status")),
    )


def account_in_view(user: Any, account_id: str) -> Account:
    """Return one of them; ``NotFound`` if it is unknown or not the user's."""
    for account in accounts_in_view(user):
        if account.pk == account_id:
            return account
    raise no_such_account()


def scope_of(user: Any) -> str:
    """Return the scope of the accounts the user may see now, as a part of a cache key.

    It changes with the access, so an answer over an account is never found after it was withdrawn.
    """
    return scope_of_accounts(account.pk for account in accounts_in_view(user))
