"""Whose cached answer a user gets: users who see the same accounts share one."""

from __future__ import annotations

import hashlib
from typing import Any

from portfolio.accounts.access import accounts_visible_to


def scope_of(user: Any) -> str:
    """Return the scope of the accounts the user may see now, as a part of a cache key. One query.

    It changes with the access, so an answer over an account is never found after it was withdrawn.
    """
    accounts = accounts_visible_to(user).order_by("pk").values_list("pk", flat=True)
    # An id may hold any character: its length says where it ends.
    text = "".join(f"{len(account)}:{account}" for account in accounts)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
