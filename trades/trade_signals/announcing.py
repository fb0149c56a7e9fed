"""Announce, after the commit, that a user's signals changed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from django.db import transaction

from auth_tokens.models import User
from config.core.caching.changes import Change
from config.core.caching.invalidation import invalidate_changed
from portfolio.dashboard.announcing import announce_to


def tell_after_commit(owner_ids: Iterable[int]) -> None:
    """Once these users' changes of signals, exit signals or shadow positions can be read: drop
    cached answers, then have their dashboards read anew."""
    owners = frozenset(owner_ids)
    if owners:
        transaction.on_commit(partial(_tell, owners), robust=True)


def show_after_commit(owner_ids: Iterable[int]) -> None:
    """Have these users' dashboards read anew once it can be read; cached answers stay.

    For what moves all the time, such as marks: figures made of them are as old as they say.
    """
    owners = frozenset(owner_ids)
    if owners:
        transaction.on_commit(partial(announce_to, owners), robust=True)


def _tell(owners: frozenset[int]) -> None:
    users = list(User.objects.filter(pk__in=owners))
    if users:
        invalidate_changed(Change.SIGNAL_UPDATE, triggered_by="signals changed", users=users)
    announce_to(owners)
