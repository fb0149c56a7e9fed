"""Tell other parts of the desk, after commit, that something of a user's signals has changed."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.dispatch import Signal

#: Sent with ``owner_ids``, the users whose signals, exit signals or shadow positions changed.
signals_changed = Signal()


def tell_after_commit(owner_ids: Iterable[int]) -> None:
    """Send ``signals_changed`` once for these users, when what was written can be read."""
    owners = frozenset(owner_ids)
    if owners:
        transaction.on_commit(
            lambda: signals_changed.send_robust(sender=None, owner_ids=owners), robust=True
        )
