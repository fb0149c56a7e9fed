"""Tell accounts' open pages that the journal changed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from django.db import transaction

from config.core.live.hub import announce


def journal_group(account_id: str) -> str:
    """Return the hub's group for an account's fills."""
    return f"trades.account.{account_id}"


def announce_after_commit(account_ids: Iterable[str]) -> None:
    """Announce once per account, after the commit."""
    for account_id in sorted(set(account_ids)):
        message = {"type": "fills.recorded", "account_id": account_id}
        transaction.on_commit(partial(announce, journal_group(account_id), message))
