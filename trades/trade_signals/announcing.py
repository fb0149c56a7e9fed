"""Tell other parts of the desk, after commit, that something of a user's signals has changed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from django.db import transaction
from django.dispatch import Signal

from auth_tokens.models import User
from config.core.caching.changes import Change
from config.core.caching.invalidation import invalidate_changed

#: Sent with ``owner_ids``, the users whose signals, exit signals or shadow positions changed.
signals_changed = Signal()


def tell_after_commit(owner_ids: Iterable[int]) -> None:
    """Once these users' changes can be read: drop cached answers, then send ``signals_changed``."""
    owners = frozenset(owner_ids)
    if owners:
        transaction.on_commit(partial(_tell, owners), robust=True)


def _tell(owners: frozenset[int]) -> None:
    users = list(User.objects.filter(pk__in=owners))
    if users:
        invalidate_changed(Change.SIGNAL_UPDATE, triggered_by="signals changed", users=users)
    signals_changed.send_robust(sender=None, owner_ids=owners)
