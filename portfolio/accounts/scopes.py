"""Whose cached answer a user gets: users who see the same accounts share one."""

from __future__ import annotations

from typing import Any

from config.core.caching.keys import scope_of_accounts
from portfolio.accounts.access import accounts_visible_to


def scope_of(user: Any) -> str:
    """Return the scope of the accounts the user may see now, as a part of a cache key. One query.

    It changes with the access, so an answer over an account is never found after it was withdrawn.
    """
    return scope_of_accounts(accounts_visible_to(user).order_by("pk").values_list("pk", flat=True))
